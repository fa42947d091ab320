//! Runs that are interrupted, killed, or can't be written, and go on.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::process::{Command, Stdio};

use common::Folder;

#[test]
fn an_interrupted_run_goes_on_to_the_same_bits() {
    let folder = Folder::new("interrupt");
    for (optimizer, signal) in [("adam", "-INT"), ("sgd", "-TERM")] {
        let (whole, broken) = (format!("{optimizer}-whole"), format!("{optimizer}-broken"));
        let train = |epochs: usize, out: &str| {
            let options = ["train", "--quiet", "--optimizer", optimizer];
            folder.command(&[&options[..], &["--epochs", &epochs.to_string(), "--out", out]].concat())
        };
        // Far more epochs than any machine comes to before the signal.
        let mut child = train(1_000_000, &broken).stdout(Stdio::null()).spawn().unwrap();
        while !folder.0.join(&broken).exists() {
            assert!(child.try_wait().unwrap().is_none(), "the run is over before it has begun");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        std::thread::sleep(std::time::Duration::from_millis(150));
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        assert!(child.wait().unwrap().success());
        let metrics = String::from_utf8(folder.bytes(&format!("{broken}/metrics.csv"))).unwrap();
        let epochs = metrics.lines().count() - 1;
        let further = (epochs + 3).to_string();
        folder.ok(&["train", "--resume", &broken, "--quiet", "--epochs", &further]);
        assert!(train(epochs + 3, &whole).status().unwrap().success());
        assert_eq!(
            folder.bytes(&format!("{whole}/model.safetensors")),
            folder.bytes(&format!("{broken}/model.safetensors")),
            "{optimizer} after {epochs} epochs"
        );
    }
}

/// Whatever has its name in a run's folder is whole; what was being written is still hidden.
fn assert_whole(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let bytes = std::fs::read(folder.join(&file)).unwrap();
        match file.rsplit('.').next().unwrap() {
            // These grow; a reader passes over a record that is cut off.
            _ if file.starts_with("events.out.tfevents.") => {}
            "part" => assert!(file.starts_with('.')),
            "safetensors" => drop(chainrule::io::load_tensors(folder.join(&file)).unwrap()),
            "json" => drop(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()),
            "toml" => drop(String::from_utf8(bytes).unwrap().parse::<toml::Table>().unwrap()),
            "csv" => assert!(bytes.ends_with(b"\n")),
            "svg" => assert!(bytes.ends_with(b"</svg>\n")),
            "html" => assert!(bytes.ends_with(b"</html>\n")),
            "png" => assert!(bytes.ends_with(b"IEND\xae\x42\x60\x82")),
            _ => panic!("{file} was not expected"),
        }
    }
}

#[test]
fn a_run_killed_twenty_times_ends_with_the_same_bits() {
    use std::hash::{BuildHasher, Hasher};
    let folder = Folder::new("kill");
    let learning = ["--epochs", "8", "--quiet", "--schedule", "cosine", "--validation", "0.1"];
    let started = std::time::Instant::now();
    folder.ok(&[&["train"], &learning[..], &["--out", "whole"]].concat());
    let duration = started.elapsed().as_micros() as u64;
    let begin =
        [&["train"], &learning[..], &["--checkpoint-every", "1", "--keep", "3", "--out", "killed"]].concat();
    let goes_on = ["train", "--quiet", "--checkpoint-every", "1", "--keep", "3", "--resume", "killed"];
    let (mut midway, mut rounds) = (0, 0);
    while midway < 20 {
        rounds += 1;
        assert!(rounds < 2000, "{midway} of {rounds} runs could be killed");
        let run = folder.0.join("killed");
        // A run killed before it has written anything can't be gone on with, and is begun again.
        let begun = run.join("checkpoint.safetensors").exists();
        if !begun {
            let _ = std::fs::remove_dir_all(&run);
        }
        let mut child = folder.command(if begun { &goes_on } else { &begin }).spawn().unwrap();
        // Any moment of a run, from the first instruction on, drawn anew in every run of the test.
        let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
        std::thread::sleep(std::time::Duration::from_micros(random % duration));
        child.kill().unwrap(); // SIGKILL
        midway += usize::from(!child.wait().unwrap().success());
        if run.exists() {
            assert_whole(&run);
        }
        if run.join("report.html").exists() {
            // It came to its end, and is begun again.
            std::fs::remove_dir_all(&run).unwrap();
        }
    }
    if !folder.0.join("killed/checkpoint.safetensors").exists() {
        let _ = std::fs::remove_dir_all(folder.0.join("killed"));
        folder.ok(&begin);
    }
    folder.ok(&goes_on);
    for file in ["model.safetensors", "metrics.csv"] {
        let same = folder.bytes(&format!("whole/{file}")) == folder.bytes(&format!("killed/{file}"));
        assert!(same, "{file} differs after {midway} kills");
    }
    let files: Vec<String> = std::fs::read_dir(folder.0.join("killed"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(!files.iter().any(|file| file.ends_with(".part")), "{files:?}");
    let kept = files.iter().filter(|file| file.starts_with("checkpoint")).count();
    assert!((1..=3).contains(&kept), "{files:?}");
}

/// Files that outgrow a limit fail as on a full disk: in the middle of being written.
#[test]
fn what_cannot_be_written_gets_one_sentence_and_keeps_the_last_checkpoint() {
    let folder = Folder::new("full");
    let program = env!("CARGO_BIN_EXE_chainrule");
    let limited = |blocks: usize, arguments: &str| {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec {program} {arguments}");
        let output = Command::new("sh").args(["-c", &script]).current_dir(&folder.0).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert_eq!(text.trim_end().lines().count(), 1, "{text}");
        assert!(text.contains("checkpoint.safetensors: ") && text.contains("space on the disk"), "{text}");
    };
    limited(8, "train --quiet --out none");
    assert!(!folder.0.join("none").exists(), "a run that could never be written leaves nothing");
    folder.ok(&["train", "--epochs", "2", "--quiet", "--out", "some"]);
    let before = folder.bytes("some/checkpoint.safetensors");
    limited(8, "train --quiet --resume some --epochs 4");
    assert_eq!(folder.bytes("some/checkpoint.safetensors"), before);
    folder.ok(&["train", "--quiet", "--resume", "some", "--epochs", "4"]);
    // A place where no folder can be made.
    std::fs::write(folder.0.join("file"), "").unwrap();
    let error = folder.fails(1, &["train", "--out", "file/run"]);
    assert!(
        error.contains("file/run: the run's folder can't be made") && error.lines().count() == 1,
        "{error}"
    );
}
