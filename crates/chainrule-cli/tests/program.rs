//! The program as a user meets it: its help, its tables, its README, and what it says about mistakes.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;

use common::Folder;

#[test]
fn mistakes_get_one_sentence() {
    let folder = Folder::new("mistakes");
    for (arguments, expected) in [
        (&["explain", "(x+y"][..], "`)`"),
        (&["explain", "x+y", "x=1"], "no value for y"),
        (&["explain", "x", "x=1"], "nothing to compute"),
        (&["explain", "x+1", "q=1"], "doesn't mention q"),
        (&["explain", "x*2", "x=[1,2]"], "has 2 elements"),
        (&["explain", "2+3"], "its value is 5"),
        (&["explain", "dot(v,w)", "v=[1,2]", "w=[1,2,3]"], "[2] and [3]"),
        (&["train", "--data", "nowhere"], "no such file or folder"),
        (&["train", "--arch", "softmax", "--hidden", "5"], "no hidden layers"),
        (&["train", "--target", "kind"], "digits isn't one"),
        (&["train", "--epochs", "3", "--warm-up", "3"], "a warm-up of 3 epochs"),
        (&["train", "--resume", "nowhere"], "nowhere"),
        (&["predict", "--model", "nowhere", "--data", "x.csv"], "nowhere"),
        (&["gates", "tanhh"], "there is no gate tanhh"),
    ] {
        let error = folder.fails(1, arguments);
        assert!(error.contains(expected) && error.trim_end().lines().count() == 1, "{arguments:?}: {error}");
    }
    assert!(!Path::new(&folder.0.join("runs")).exists(), "a mistake must not leave an empty run");
    // Wrong usage: the option and what it takes are named.
    for (arguments, expected) in [
        (&["train", "--batch", "0"][..], "'--batch <EXAMPLES>': it must be at least 1"),
        (
            &["train", "--seed", "18446744073709551615"],
            "'--seed <SEED>': it must be a whole number from 0 to",
        ),
        (&["train", "--seed", "-1"], "'--seed <SEED>': it must be a whole number from 0 to"),
        (&["train", "--epochs", "-3"], "'--epochs <EPOCHS>': it must be a whole number"),
        (&["train", "--lr", "-1"], "'--lr <RATE>': it must be a positive number"),
        (&["train", "--hidden", "8,0"], "'--hidden <SIZES>': it must be at least 1"),
        (&["train", "--threads", "0"], "'--threads <THREADS>': it must be at least 1"),
        (&["train", "--schedule", "spiral"], "constant, step, multi-step"),
        (&["train", "--resume", "a", "--batch", "1"], "cannot be used with"),
        (&["check", "--model", "a", "--arch", "mlp"], "cannot be used with"),
        (&["check", "--elements", "0"], "it must be at least 1"),
    ] {
        let error = folder.fails(2, arguments);
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
    folder.fails(2, &["train", "--no-such-option"]);
    folder.fails(2, &["nothing"]);
}

/// The words of a command line, as a shell would cut it; only single quotes are understood.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words
}

/// Every command in the README prints what stands below it. `...` stands for lines that are left out; seconds
/// differ, and where the processor rounds differently, so does what was learned.
#[test]
fn the_readme_shows_what_the_program_prints() {
    let folder = Folder::new("readme");
    let readme = include_str!("../../../README.md").replace("\r\n", "\n");
    let timeless = |text: &str| match (text.find(" epochs in "), text.find(" s; everything")) {
        (Some(start), Some(end)) => format!("{}{}", &text[..start], &text[end..]),
        _ => text.trim_end().to_string(),
    };
    #[cfg(target_arch = "x86_64")]
    let same_rounding = std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    let same_rounding = false;
    let mut commands = 0;
    for block in readme.split("```text\n").skip(1) {
        let block = block.split("```").next().unwrap();
        let (command, shown) = block.split_once('\n').unwrap();
        let command = words(command.strip_prefix("$ chainrule ").unwrap());
        let printed = folder.ok(&command.iter().map(String::as_str).collect::<Vec<_>>());
        commands += 1;
        if command[0] != "explain" && !same_rounding {
            eprintln!("{command:?}: not compared, as this processor rounds differently");
            continue;
        }
        let printed: Vec<String> = printed.lines().map(timeless).collect();
        let mut rest = &printed[..];
        for part in shown.split("...\n") {
            let part: Vec<String> = part.lines().map(timeless).collect();
            let found = rest.windows(part.len().max(1)).position(|lines| part.is_empty() || lines == part);
            let place = found.unwrap_or_else(|| panic!("{command:?}: {part:#?} is not in\n{printed:#?}"));
            rest = &rest[place + part.len()..];
        }
        if !shown.contains("...\n") {
            assert_eq!(printed.len(), shown.lines().count(), "{command:?}");
        }
    }
    assert!(commands >= 4, "the README shows commands");
}

#[test]
fn the_documents_table_of_gates_is_current() {
    let written = include_str!("../../../docs/gates.md");
    let now = Folder::new("markdown").ok(&["gates", "--markdown"]);
    // Git may have checked the file out with other line ends.
    assert!(
        written.replace("\r\n", "\n") == now,
        "run: cargo run --release -- gates --markdown > docs/gates.md"
    );
}

#[test]
fn gates_and_completions_are_listed() {
    let folder = Folder::new("gates");
    let table = folder.ok(&["gates"]);
    for gate in chainrule::gate::table() {
        assert!(table.contains(gate.name), "{} is not in the table", gate.name);
    }
    let tanh = folder.ok(&["gates", "tanh"]);
    assert!(
        tanh.contains("y = tanh(x)") && tanh.contains("∂y/∂x = 1 - y*y") && tanh.contains("functions.rs:"),
        "{tanh}"
    );
    // A gate says where it stands.
    let place = tanh.lines().find_map(|line| line.trim().strip_prefix("source ")).unwrap().trim();
    let (file, line) = place.rsplit_once(':').unwrap();
    let source = std::fs::read_to_string(Path::new("../..").join(file)).unwrap();
    let block: Vec<&str> = source.lines().skip(line.parse::<usize>().unwrap() - 1).take(12).collect();
    assert!(block[0] == "gates! {" && block.iter().any(|line| line.contains("Tanh(x)")), "{block:#?}");
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let json: serde_json::Value = serde_json::from_str(&folder.ok(&["gates", "mul", "--json"])).unwrap();
    assert_eq!(json["formula"]["value"], serde_json::json!(["mul", "a", "b"]));
    assert!(json["formula"]["mathml"].as_str().unwrap().starts_with("<math>"));
    let all: serde_json::Value = serde_json::from_str(&folder.ok(&["gates", "--json"])).unwrap();
    assert_eq!(all.as_array().unwrap().len(), chainrule::gate::table().count());
    // Every gate has an example in code, and is shown at work.
    for gate in all.as_array().unwrap() {
        assert!(gate["documentation"].as_str().unwrap().contains("```"), "{gate}");
        let (example, rule) = (&gate["example"], gate["formula"].to_string());
        assert!(!example["outputs"].as_array().unwrap().is_empty(), "{gate}");
        let silent = example["gradients"].as_array().unwrap().is_empty();
        assert!(
            !silent || ["no gradient", "= 0", "is refused"].iter().any(|words| rule.contains(words)),
            "{gate}"
        );
    }
    let softmax = folder.ok(&["gates", "softmax"]);
    assert!(softmax.contains("∂L/∂x = tensor([[-0.3919,  0.0098,  0.3821],"), "{softmax}");
    assert!(folder.ok(&["gates", "svd"]).starts_with("LinalgSvd\n"));
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(folder.ok(&["completions", shell]).contains("chainrule"));
    }
    for command in ["train", "predict", "explain", "draw", "check", "cost", "gates", "completions"] {
        let help = folder.ok(&[command, "--help"]);
        let examples = help.split("Examples:\n").nth(1).unwrap();
        // Each is one line of the program's, or goes on after a backslash: none was wrapped.
        for line in examples.lines().take_while(|line| !line.is_empty()) {
            let starts = ["  chainrule ", "  source <(chainrule ", "      "];
            assert!(starts.iter().any(|start| line.starts_with(start)), "{command}: {line}");
        }
    }
}
