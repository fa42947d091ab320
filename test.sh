#!/usr/bin/env bash
# Everything that must hold: format, lints, documentation, tests and examples. Needs the Rust toolchain only.
set -euo pipefail
cd "$(dirname "$0")"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

echo "== format"
cargo fmt --all -- --check
echo "== lints"
cargo clippy --workspace --all-targets --all-features -- -D warnings
echo "== documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features
echo "== tests"
cargo test --workspace --all-features 2>&1 | tee "$log"
echo "== examples"
for example in crates/chainrule/examples/*.rs; do
    [ -e "$example" ] || continue
    name=$(basename "$example" .rs)
    echo "-- $name"
    cargo run --quiet --package chainrule --all-features --example "$name" > /dev/null
done
echo "== closing lines of the tests"
grep -E '^test result: ' "$log"
