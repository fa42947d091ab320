//! `chainrule completions`: completions for the usual shells.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::{Cli, Failure};

/// Options of `chainrule completions`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  source <(chainrule completions bash)
  chainrule completions zsh > ~/.zfunc/_chainrule
  chainrule completions fish > ~/.config/fish/completions/chainrule.fish
  chainrule completions powershell >> $PROFILE
  chainrule completions elvish >> ~/.config/elvish/rc.elv")]
pub struct Options {
    /// The shell
    shell: Shell,
}

/// Prints the completions.
pub fn run(options: Options) -> Result<ExitCode, Failure> {
    // Rendered to memory first: printing directly would panic when the reader closes the pipe.
    let mut text = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "chainrule", &mut text);
    std::io::Write::write_all(&mut std::io::stdout(), &text)?;
    Ok(ExitCode::SUCCESS)
}
