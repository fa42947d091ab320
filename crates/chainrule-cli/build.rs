//! How the program's file is linked: without what nobody reads, and with small tables of relocations.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// The release profile aborts where it panics, so nobody reads the tables by which a stack is unwound. The compiler
/// writes them all the same, for debuggers, and so does the standard library: half a megabyte.
const WITHOUT_TABLES: &str =
    "SECTIONS { /DISCARD/ : { *(.eh_frame) *(.gcc_except_table*) } } INSERT AFTER .text;\n";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    if !(is("PROFILE", "release") && is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu"))
    {
        return;
    }
    let folder = env::var("OUT_DIR").expect("cargo names the folder for what a build script makes");
    let script = Path::new(&folder).join("without-tables.ld");
    fs::write(&script, WITHOUT_TABLES)
        .expect("cargo's folder for what a build script makes can be written to");
    println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display());
    if env::var("HOST").ok() == env::var("TARGET").ok() && reads_packed_relocations() {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Whether this system's loader reads relocations that are packed as bits, a quarter of a megabyte less: glibc's does
/// from 2.36 on. A program that is built here asks for about as new a system anyway.
fn reads_packed_relocations() -> bool {
    let answer = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let answer =
        answer.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let version = answer.trim().strip_prefix("glibc ").and_then(|version| version.split_once('.'));
    version.is_some_and(|(major, minor)| match (major.parse::<u32>(), minor.parse::<u32>()) {
        (Ok(major), Ok(minor)) => (major, minor) >= (2, 36),
        _ => false,
    })
}
