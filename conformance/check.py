#!/usr/bin/env python3
"""Hold an implementation against one file of the set.

    python3 check.py FILE MAJOR [--only FIELD,FIELD] -- COMMAND [ARGUMENT...]

FILE is the name of a file in data/ without .jsonl. For each row that PostgreSQL MAJOR has an answer in, COMMAND gets one line of JSON on
its standard input, {"file": FILE, "version": MAJOR, "input": {...}}, and answers with one line: what the server would say, in the form
of the row's "said"; null means that it does not know. With --only, just these fields of the answers are compared, such as
verdict,sqlstate. Prints how many answers were right, and the kinds of failures with an example of each. Exit status 1 if one was wrong.
"""
import collections
import json
import pathlib
import subprocess
import sys


def main(arguments):
    if "--" not in arguments or len(arguments) < 4:
        sys.exit(__doc__)
    split = arguments.index("--")
    (name, major, *options), command = arguments[:split], arguments[split + 1:]
    only = options[1].split(",") if options[:1] == ["--only"] else None
    path = pathlib.Path(__file__).parent / "data" / f"{name}.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    rows = [row for row in rows if int(major) in row["versions"]]
    if not rows:
        sys.exit(f"PostgreSQL {major} has no row in {path}")

    # Line by line, so that neither side has to read while it writes.
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    right, unanswered, failures = 0, 0, collections.defaultdict(list)
    for row in rows:
        question = {"file": name, "version": int(major), "input": row["input"]}
        try:
            process.stdin.write(json.dumps(question).encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = b""
        if not line:
            sys.exit(f"{command[0]} ended at the input {json.dumps(row['input'])}")
        answer = json.loads(line)
        expected, got = (part(said, only) for said in (row["said"], answer))
        if answer is None:
            unanswered += 1
        elif expected == got:
            right += 1
        else:
            failures[(kind(expected), kind(got))].append((row["input"], row["said"], answer))
    process.stdin.close()
    process.wait()

    wrong = sum(len(each) for each in failures.values())
    print(f"{name}, PostgreSQL {major}: {right} right, {wrong} wrong, {unanswered} not answered")
    for (expected, got), each in sorted(failures.items(), key=lambda item: -len(item[1])):
        given, said, answer = min(each, key=lambda one: len(json.dumps(one[0])))
        print(f"{len(each):6}  expected {expected}, got {got}, as for {json.dumps(given)}:")
        print(f"        {json.dumps(said)}\n        {json.dumps(answer)}")
    return 1 if wrong else 0


def part(said, only):
    return {key: said.get(key) for key in only} if only and isinstance(said, dict) else said


def kind(said):
    """What a failure is counted under: its verdict and SQLSTATE, where it has them."""
    if not isinstance(said, dict):
        return "another value"
    return " ".join(str(said[key]) for key in ("verdict", "sqlstate") if said.get(key)) or "another value"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
