#![no_main]

#[path = "../../crates/chainrule/tests/hostile/entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entries::Format::Checkpoint.read(bytes));
