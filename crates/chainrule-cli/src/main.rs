//! The `chainrule` program: train, predict, explain and check from the command line.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    chainrule_commands::main()
}
