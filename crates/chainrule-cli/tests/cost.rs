//! `chainrule cost` as a user meets it.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

use serde_json::Value;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_chainrule")).arg("cost").args(arguments).output().unwrap()
}

/// Standard output of a run that must succeed.
#[track_caller]
fn ok(arguments: &[&str]) -> String {
    let output = run(arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// What a run says that must fail with this code.
#[track_caller]
fn fails(code: i32, arguments: &[&str]) -> String {
    let output = run(arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    text
}

#[test]
fn a_training_has_its_price() {
    let text = ok(&["lenet", "--images", "60000", "--epochs", "10", "--threads", "1", "--watts", "20"]);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    for part in [
        "lenet: 61,706 parameters; random input f32 4x1x28x28; 1 thread\n",
        "Conv",
        "one training step",
        "a whole training: 10 epochs of 60,000 images in 150,000 steps",
        "multiply-adds",
        "energy",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    // Energy is either by counters, or plainly an assumption with its power.
    let measured = text.contains("by the processor's own counters");
    assert!(measured != text.contains("ASSUMED: time x 20 W (--watts)"), "{text}");
}

#[test]
fn json_holds_the_same_numbers() {
    let json: Value =
        serde_json::from_str(&ok(&["softmax", "--batch", "8", "--images", "80", "--epochs", "5", "--json"]))
            .unwrap();
    assert_eq!((&json["network"], &json["parameters"]), (&"softmax".into(), &650.into()));
    assert_eq!(json["input"], serde_json::json!([8, 64]));
    assert_eq!(json["gates"][0]["forward_work"]["multiply_adds"], 8 * 64 * 10);
    let (step, training) = (&json["step"], &json["training"]);
    assert_eq!(training["steps"], 50);
    let ratio = |key: &str| training[key].as_f64().unwrap() / step[key].as_f64().unwrap();
    assert!((ratio("seconds") - 50.0).abs() < 1e-6);
    let multiply_adds = |of: &Value| of["work"]["multiply_adds"].as_u64().unwrap();
    assert_eq!(multiply_adds(training), 50 * multiply_adds(step));
    let energy = &step["energy"];
    if energy["measured"] == false {
        let assumed = 65.0 * step["seconds"].as_f64().unwrap();
        assert!((energy["joules"].as_f64().unwrap() - assumed).abs() < 1e-9);
        assert_eq!(energy["assumed_watts"], 65.0);
    }
    // Without --images nothing is extrapolated.
    let json: Value = serde_json::from_str(&ok(&["softmax", "--json"])).unwrap();
    assert!(json.get("training").is_none());
}

#[test]
fn a_trace_and_a_page_are_written() {
    let folder = std::env::temp_dir().join(format!("chainrule-cost-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (trace, page) = (folder.join("trace.json"), folder.join("page.html"));
    ok(&["mlp", "--steps", "1", "--trace", trace.to_str().unwrap(), "--html", page.to_str().unwrap()]);
    let trace: Value = serde_json::from_slice(&std::fs::read(trace).unwrap()).unwrap();
    assert!(trace["traceEvents"].as_array().unwrap().iter().any(|event| event["name"] == "Linear"));
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("mlp, one training step"));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_trained_network_has_its_price_too() {
    let folder = std::env::temp_dir().join(format!("chainrule-cost-run-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let path = folder.to_str().unwrap();
    let trained = Command::new(env!("CARGO_BIN_EXE_chainrule"))
        .args(["train", "--quiet", "--epochs", "1", "--hidden", "16", "--out", path])
        .status();
    assert!(trained.unwrap().success());
    let text = ok(&["--model", path, "--batch", "32"]);
    assert!(text.contains("random input f32 32x64"), "{text}");
    let text = fails(1, &["--model", path, "--input", "32x65"]);
    assert!(text.contains("examples of 64, so that --input is Nx64, not 32x65"), "{text}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn what_makes_no_sense_is_refused_with_a_reason() {
    let text = fails(1, &["alxnet"]);
    assert!(text.contains("no network is called alxnet") && text.contains("alexnet"), "{text}");
    let text = fails(1, &["lenet", "--input", "4x28x28"]);
    assert!(text.contains("an example for lenet has the shape [1, 28, 28], not [28, 28]"), "{text}");
    assert!(fails(2, &["lenet", "--input", "4xx28"]).contains("sizes from 1 up"));
    assert!(fails(2, &["lenet", "--watts", "-3"]).contains("positive number"));
    assert!(fails(2, &["lenet", "--epochs", "3"]).contains("--images"));
    assert!(fails(2, &["lenet", "--images", "0"]).contains("--images"));
    assert!(fails(2, &[]).contains("NETWORK"));
    assert!(fails(2, &["lenet", "--model", "x"]).contains("cannot be used with"));
}
