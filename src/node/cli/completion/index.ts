/** `walwire completion`: completion scripts for shells, made from the declarations. */
import type { Declaration, Option } from "../shared/declare.ts";
import { type Status, status } from "../shared/status.ts";
import type { CompletionCall } from "./declaration.ts";

/** `walwire completion`. */
export async function run({ verb }: CompletionCall, declarations: readonly Declaration[]): Promise<Status> {
  process.stdout.write({ bash, zsh, fish }[verb](declarations));
  return status.good;
}

const HELP = ["-h", "--help"];

/** Each form of an option: `-s`, `--skip-checksums`. */
function forms(options: Declaration["options"]): string[] {
  return Object.entries(options).flatMap(([name, { short }]) => [
    ...(short === undefined ? [] : [`-${short}`]),
    `--${name}`,
  ]);
}

/** The options that take a value, as patterns of `case`: those with choices, and all others together. */
function valueCases({ options }: Declaration): (readonly [pattern: string, choices: readonly string[] | undefined])[] {
  const pattern = (rows: [string, Option][]) => forms(Object.fromEntries(rows)).join("|");
  const rows = Object.entries(options);
  const choices = rows.flatMap(([name, option]) =>
    option.type === "choice" ? [[pattern([[name, option]]), option.choices] as const] : [],
  );
  const others = rows.filter(([, { type }]) => type !== "choice" && type !== "boolean");
  return others.length === 0 ? choices : [...choices, [pattern(others), undefined]];
}

function bash(declarations: readonly Declaration[]): string {
  const names = declarations.map(({ name }) => name);
  const cases = declarations.map((declaration) => {
    const { name, verbs = {}, options } = declaration;
    const values = valueCases(declaration).map(([pattern, choices]) =>
      choices === undefined
        ? `      ${pattern}) words= files=1 ;;\n`
        : `      ${pattern}) words="${choices.join(" ")}" files= ;;\n`,
    );
    const verbLine =
      Object.keys(verbs).length === 0
        ? ""
        : `      [[ $COMP_CWORD == 2 && $current != -* ]] && words="${Object.keys(verbs).join(" ")}" files=\n`;
    return `    ${name})
      words="${[...forms(options), ...HELP].join(" ")}"
      [[ $current != -* ]] && words= files=1
${verbLine}${values.length === 0 ? "" : `      case $previous in\n${values.join("")}      esac\n`}      ;;
`;
  });
  return `\
# bash completion of walwire: source <(walwire completion bash)
_walwire() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} words= files=
  COMPREPLY=()
  if [[ $COMP_CWORD == 1 ]]; then
    words="${[...names, "help", "--help", "--version"].join(" ")}"
  else
    case \${COMP_WORDS[1]} in
    help) words="${names.join(" ")}" ;;
${cases.join("")}    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [[ $files ]] && COMPREPLY+=($(compgen -f -- "$current"))
  return 0
}
complete -o filenames -F _walwire walwire
`;
}

/** In single quotes, for zsh and fish. */
function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "'\\''")}'`;
}

function zsh(declarations: readonly Declaration[]): string {
  const described = (words: readonly (readonly string[])[]): string =>
    words.map(([word, meaning]) => quoted(`${word}:${meaning}`)).join(" ");
  const argumentsOf = ({ options, argument }: Declaration): string => {
    const specs = Object.entries(options).map(([name, option]) => {
      const help = `[${option.help.replace(/[[\]\\:]/g, "\\$&")}]`;
      const value =
        option.type === "boolean"
          ? ""
          : option.type === "choice"
            ? `:value:(${option.choices.join(" ")})`
            : `:${option.value}:_files`;
      const long = `--${name}${help}${value}`;
      const many = option.type !== "boolean" && option.many ? "*" : "";
      return option.short === undefined
        ? quoted(many + long)
        : `${many === "" ? "" : quoted(many)}{-${option.short},--${name}}${quoted(help + value)}`;
    });
    const rest = argument === undefined ? [] : [quoted(`*:${argument.name}:_files`)];
    return ["_arguments", `${quoted("(-h --help)")}{-h,--help}${quoted("[print this help]")}`, ...specs, ...rest].join(
      " \\\n        ",
    );
  };
  const cases = declarations.map((declaration) => {
    const verbs = Object.entries(declaration.verbs ?? {});
    const verbLine =
      verbs.length === 0
        ? ""
        : `      if (( CURRENT == 2 )); then
        local -a verbs=(${described(verbs)})
        _describe verb verbs
        return
      fi
`;
    return `    ${declaration.name})
${verbLine}      ${argumentsOf(declaration)}
      ;;
`;
  });
  return `\
#compdef walwire
# zsh completion of walwire: source <(walwire completion zsh), after compinit
_walwire() {
  local -a commands=(${described([...declarations.map(({ name, summary }) => [name, summary]), ["help", "Print help"]])})
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  shift words
  (( CURRENT-- ))
  case $words[1] in
    help) _describe command commands ;;
${cases.join("")}  esac
}
compdef _walwire walwire
`;
}

function fish(declarations: readonly Declaration[]): string {
  const lines = ["# fish completion of walwire: walwire completion fish > ~/.config/fish/completions/walwire.fish"];
  const names = declarations.map(({ name }) => name).join(" ");
  for (const { name, summary } of declarations) {
    lines.push(`complete -c walwire -f -n __fish_use_subcommand -a ${name} -d ${quoted(summary)}`);
  }
  lines.push(
    "complete -c walwire -f -n __fish_use_subcommand -a help -d 'Print help'",
    "complete -c walwire -f -n __fish_use_subcommand -s h -l help -d 'Print help'",
    "complete -c walwire -f -n __fish_use_subcommand -s V -l version -d 'Print the version'",
    `complete -c walwire -f -n '__fish_seen_subcommand_from help' -a ${quoted(names)}`,
  );
  for (const { name, verbs = {}, options } of declarations) {
    const when = quoted(`__fish_seen_subcommand_from ${name}`);
    const words = Object.keys(verbs).join(" ");
    for (const [verb, meaning] of Object.entries(verbs)) {
      const none = quoted(`__fish_seen_subcommand_from ${name}; and not __fish_seen_subcommand_from ${words}`);
      lines.push(`complete -c walwire -f -n ${none} -a ${verb} -d ${quoted(meaning)}`);
    }
    for (const [option, row] of Object.entries(options)) {
      const short = row.short === undefined ? "" : ` -s ${row.short}`;
      const value =
        row.type === "boolean" ? "" : row.type === "choice" ? ` -x -a ${quoted(row.choices.join(" "))}` : " -r";
      lines.push(`complete -c walwire -n ${when}${short} -l ${option}${value} -d ${quoted(row.help)}`);
    }
    lines.push(`complete -c walwire -n ${when} -s h -l help -d 'Print this help'`);
  }
  return `${lines.join("\n")}\n`;
}
