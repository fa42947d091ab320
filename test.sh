#!/usr/bin/env bash
# Everything that must hold: format, lints, documentation, tests and examples. Needs the Rust toolchain; the explorer page's
# tests also need Node.js (`npm ci` in web/explorer) and Chromium, and are named at the end if they can't run.
set -euo pipefail
cd "$(dirname "$0")"
log=$(mktemp)
page=$(mktemp)
conformance=$(mktemp)
trap 'rm -f "$log" "$page" "$conformance"' EXIT

echo "== format"
cargo fmt --all -- --check
echo "== lints"
cargo clippy --workspace --all-targets --all-features -- -D warnings
# Each feature of the library by itself, and none of them: what one builds must not lean on another.
for feature in "" archives images parquet plot tensorboard ndarray; do
    cargo clippy --quiet --package chainrule --features "$feature" -- -D warnings
done
echo "== documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features
echo "== other systems, and the oldest Rust"
minimum=$(sed -nE 's/^rust-version = "(.*)"/\1/p' Cargo.toml)
for target in x86_64-pc-windows-gnu aarch64-apple-darwin; do
    if rustup target list --installed 2>/dev/null | grep -q "^$target\$"; then
        cargo check --quiet --workspace --all-features --target "$target"
    else
        echo "NOT RUN: the check for $target, which needs 'rustup target add $target'"
    fi
done
if rustup toolchain list 2>/dev/null | grep -q "^$minimum.0-"; then
    cargo "+$minimum.0" check --quiet --workspace --all-features
else
    echo "NOT RUN: the check with Rust $minimum, which needs 'rustup toolchain install $minimum.0'"
fi
echo "== tests"
cargo test --workspace --all-features --no-fail-fast 2>&1 | tee "$log"
echo "== examples"
for example in crates/chainrule/examples/*.rs; do
    [ -e "$example" ] || continue
    name=$(basename "$example" .rs)
    echo "-- $name"
    cargo run --quiet --package chainrule --all-features --example "$name" > /dev/null
done
echo "== whole networks against PyTorch"
golden=../shared/conformance/networks.safetensors
if [ -e "$golden" ]; then
    cargo run --quiet --release --package chainrule --example networks -- "$golden"
else
    echo "NOT RUN: $golden is not here; the smaller file of the repository was checked among the tests"
fi
echo "== conformance"
# PyTorch's own operator samples; a clone without the whole set runs the sample that the project carries.
cases=../shared/conformance
[ -d "$cases" ] || cases=crates/chainrule/conformance/sample
if ! cargo run --quiet --package chainrule --all-features --example conformance -- \
    "$cases" --require crates/chainrule/conformance/required.txt > "$conformance"; then
    grep -E ' must be whole' "$conformance" || true
    tail -n 1 "$conformance"
    exit 1
fi
tail -n 1 "$conformance"
echo "== explorer page"
browser=${CHROMIUM:-/usr/bin/chromium}
if [ -x "$browser" ] && [ -d web/explorer/node_modules ] && command -v node >/dev/null; then
    (cd web/explorer && npm run --silent check && npm run --silent current && CHROMIUM="$browser" npm test --silent) 2>&1 | tee "$page"
else
    {
        echo "NOT RUN: the explorer page's build check and its tests in a browser. They need Node.js, 'npm ci' in"
        echo "web/explorer, and Chromium at $browser (or at \$CHROMIUM). These tests have NOT run:"
        sed -nE 's/^ *test\([`"]([^`"]*).*/  - \1/p' web/explorer/tests/*.test.mjs
    } | tee "$page"
    [ -z "${REQUIRE_BROWSER:-}" ] || exit 1
fi
echo "== closing lines of the tests"
grep -E '^test result: ' "$log"
grep -E '^(ℹ|#) (tests|pass|fail|skipped) |NOT (RUN|run)' "$page" || true
