//! How the program's file is linked where the release profile makes it small: without what nobody reads, and nothing twice.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The release profile aborts where it panics, so nobody reads the tables by which a stack is unwound. The compiler
/// writes them all the same, for debuggers, and so does the standard library: half a megabyte.
const WITHOUT_TABLES: &str =
    "SECTIONS { /DISCARD/ : { *(.eh_frame) *(.gcc_except_table*) } } INSERT AFTER .text;\n";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    let is_own = env::var("HOST").ok() == env::var("TARGET").ok();
    if !(is("PROFILE", "release") && is("CARGO_CFG_TARGET_OS", "linux") && is_own) {
        return;
    }
    let folder =
        PathBuf::from(env::var("OUT_DIR").expect("cargo names the folder for what a build script makes"));
    let script = folder.join("without-tables.ld");
    let main = folder.join("main.rs");
    fs::write(&script, WITHOUT_TABLES)
        .expect("cargo's folder for what a build script makes can be written to");
    fs::write(&main, "fn main() {}").expect("cargo's folder for what a build script makes can be written to");
    let wishes = [
        format!("-Wl,-T,{}", script.display()),
        // Addresses that the system fills in, packed as bits: a quarter of a megabyte less.
        "-Wl,-z,pack-relative-relocs".into(),
        // Functions of different types that come out the same.
        "-Wl,--icf=all".into(),
    ];
    let mut taken: Vec<String> = Vec::new();
    for wish in wishes {
        taken.push(wish);
        if !works(&main, &taken) {
            taken.pop();
        }
    }
    for argument in taken {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}

/// Whether a program that is linked with these arguments runs: not every linker knows them all, and not every system
/// loads what comes out.
fn works(main: &Path, arguments: &[String]) -> bool {
    let program = main.with_extension("program");
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.arg(main).arg("-o").arg(&program).args(["-C", "panic=abort"]);
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    rustc.args(flags.split('\u{1f}').filter(|flag| !flag.is_empty()));
    rustc.args(arguments.iter().map(|argument| format!("-Clink-arg={argument}")));
    let succeeds = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    succeeds(&mut rustc) && succeeds(&mut Command::new(&program))
}
