import { type CallOf, defineSubcommand } from "../shared/declare.ts";

export type CompletionCall = CallOf<typeof completion>;

export const completion = defineSubcommand({
  name: "completion",
  summary: "Print the completion script of a shell",
  description: `\
Prints a script with which a shell completes the arguments of walwire. For bash and zsh, add a line to
~/.bashrc, or to ~/.zshrc after compinit; for fish, run one once:
  source <(walwire completion bash)
  source <(walwire completion zsh)
  walwire completion fish > ~/.config/fish/completions/walwire.fish`,
  verbs: {
    bash: "for bash",
    zsh: "for zsh",
    fish: "for fish",
  },
  options: {},
});
