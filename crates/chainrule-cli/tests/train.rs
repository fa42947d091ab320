//! `chainrule train` and `predict`: what a run writes, where its settings come from, what it reaches.
#![allow(clippy::unwrap_used)]

mod common;

use common::Folder;

#[test]
fn training_writes_a_whole_run() {
    let folder = Folder::new("run");
    let text = folder.ok(&["train", "--epochs", "2"]);
    assert!(text.contains("gradient check: passed"), "{text}");
    assert!(text.contains("confusion matrix"), "{text}");
    let mut files: Vec<String> = std::fs::read_dir(folder.0.join("runs/digits-mlp-1"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let events = files.iter().position(|file| file.starts_with("events.out.tfevents.")).unwrap();
    files.remove(events);
    assert_eq!(
        files,
        [
            "checkpoint.safetensors",
            "classes.csv",
            "confusion.png",
            "confusion.svg",
            "curves.png",
            "curves.svg",
            "explorer.html",
            "filters.png",
            "filters.svg",
            "metrics.csv",
            "metrics.json",
            "model.safetensors",
            "report.html",
            "settings.toml",
            "weights.png",
            "weights.svg"
        ]
    );
    let table = String::from_utf8(folder.bytes("runs/digits-mlp-1/metrics.csv")).unwrap();
    assert_eq!(table.lines().count(), 3);
    assert!(folder.bytes("runs/digits-mlp-1/curves.png").starts_with(b"\x89PNG"));
    let metrics: serde_json::Value =
        serde_json::from_slice(&folder.bytes("runs/digits-mlp-1/metrics.json")).unwrap();
    assert_eq!(metrics["epochs"].as_array().unwrap().len(), 2);
    // A second run gets a name of its own; --quiet says nothing.
    assert_eq!(folder.ok(&["train", "--epochs", "1", "--quiet"]), "");
    assert!(folder.0.join("runs/digits-mlp-2/model.safetensors").exists());
    assert!(folder.ok(&["check", "--model", "runs/digits-mlp-1"]).contains("gradient check passed"));
}

#[test]
fn the_default_reaches_97_percent() {
    let folder = Folder::new("accuracy");
    let mut accuracies: Vec<f64> = (0..10)
        .map(|seed| {
            let text = folder.ok(&["train", "--seed", &seed.to_string()]);
            let tail = text.split("test accuracy ").nth(1).unwrap();
            tail.split('%').next().unwrap().parse().unwrap()
        })
        .collect();
    accuracies.sort_by(f64::total_cmp);
    assert!((accuracies[4] + accuracies[5]) / 2.0 >= 97.0, "{accuracies:?}");
}

#[test]
fn threads_and_resuming_change_no_bit() {
    let folder = Folder::new("bits");
    folder.ok(&["train", "--epochs", "4", "--threads", "1", "--quiet", "--out", "a"]);
    folder.ok(&["train", "--epochs", "4", "--threads", "3", "--quiet", "--out", "b"]);
    folder.ok(&["train", "--epochs", "2", "--quiet", "--out", "c"]);
    folder.ok(&["train", "--resume", "c", "--epochs", "4", "--quiet"]);
    assert_eq!(folder.bytes("a/model.safetensors"), folder.bytes("b/model.safetensors"));
    assert_eq!(folder.bytes("a/model.safetensors"), folder.bytes("c/model.safetensors"));
    assert_eq!(folder.bytes("a/metrics.csv"), folder.bytes("c/metrics.csv"));
    assert!(folder.fails(1, &["train", "--out", "a"]).contains("exists already"));
}

#[test]
fn schedules_change_the_outcome_and_are_resumed() {
    let folder = Folder::new("schedule");
    folder.ok(&["train", "--epochs", "6", "--quiet", "--out", "constant"]);
    for schedule in ["step", "cosine"] {
        let options = ["train", "--epochs", "6", "--quiet", "--warm-up", "2", "--schedule", schedule];
        folder.ok(&[&options[..], &["--out", schedule]].concat());
        let model = folder.bytes(&format!("{schedule}/model.safetensors"));
        assert_ne!(model, folder.bytes("constant/model.safetensors"));
        let settings = String::from_utf8(folder.bytes(&format!("{schedule}/settings.toml"))).unwrap();
        assert!(settings.contains(&format!("schedule = \"{schedule}\"")), "{settings}");
    }
    let text =
        folder.ok(&["train", "--epochs", "6", "--schedule", "cosine", "--warm-up", "2", "--out", "again"]);
    assert!(text.contains("along a cosine, after 2 epochs of warm-up"), "{text}");
    assert_eq!(folder.bytes("again/model.safetensors"), folder.bytes("cosine/model.safetensors"));
    // A complete run says so, and stays what it is.
    assert!(folder.ok(&["train", "--resume", "again"]).contains("the run is complete: 6 epochs"));
    assert_eq!(folder.bytes("again/model.safetensors"), folder.bytes("cosine/model.safetensors"));
}

#[test]
fn settings_come_from_a_file_and_options_count_more() {
    let folder = Folder::new("config");
    let text = "arch = \"softmax\"\nepochs = 2\nlr = 0.01\nclip-norm = 1.0\nclass-weights = \"balanced\"\nkeep = 2\n\
                checkpoint-every = \"5\"\nout = \"by-file\"\n";
    std::fs::write(folder.0.join("run.toml"), text).unwrap();
    folder.ok(&["train", "--config", "run.toml", "--lr", "0.02", "--quiet"]);
    let settings = String::from_utf8(folder.bytes("by-file/settings.toml")).unwrap();
    for line in
        ["arch = \"softmax\"", "lr = 0.02", "clip-norm = 1.0", "class-weights = \"balanced\"", "epochs = 2"]
    {
        assert!(settings.lines().any(|own| own == line), "{line} is not in\n{settings}");
    }
    let kept = std::fs::read_dir(folder.0.join("by-file")).unwrap().flatten();
    let kept = kept.filter(|entry| entry.file_name().to_string_lossy().starts_with("checkpoint"));
    assert_eq!(kept.count(), 2);
    // A run's own settings make the same run again.
    folder.ok(&["train", "--config", "by-file/settings.toml", "--out", "again", "--quiet"]);
    assert_eq!(folder.bytes("by-file/model.safetensors"), folder.bytes("again/model.safetensors"));
    for (text, expected) in [
        ("epochs = \n", "run.toml: line 1: "),
        ("epoch = 3\n", "run.toml: unknown field `epoch`"),
        ("epochs = \"many\"\n", "run.toml: invalid type: string \"many\""),
        ("arch = \"vgg\"\n", "there is no network \"vgg\""),
        ("patience = 3\n", "--validation 0.1"),
    ] {
        std::fs::write(folder.0.join("run.toml"), text).unwrap();
        let error = folder.fails(1, &["train", "--config", "run.toml"]);
        assert!(error.contains(expected) && error.trim_end().lines().count() == 1, "{error}");
    }
    assert!(folder.fails(1, &["train", "--config", "nowhere.toml"]).contains("nowhere.toml: "));
}

#[test]
fn networks_for_images_and_texts_are_trained_and_asked() {
    let folder = Folder::new("networks");
    folder.ok(&["train", "--arch", "lenet", "--epochs", "1", "--quiet", "--out", "lenet"]);
    let rows = format!("{}\n", ["3"; 64].join(","));
    std::fs::write(folder.0.join("rows.csv"), rows.repeat(2)).unwrap();
    let answer = folder.ok(&["predict", "--model", "lenet", "--data", "rows.csv"]);
    assert_eq!(answer.lines().count(), 3, "{answer}");
    std::fs::write(
        folder.0.join("rhyme.txt"),
        "one two three four five six seven eight nine ten. ".repeat(30),
    )
    .unwrap();
    let small = ["--length", "16", "--width", "16", "--depth", "1", "--epochs", "2"];
    let text = folder.ok(&[&["train", "--data", "rhyme.txt", "--out", "poet"], &small[..]].concat());
    assert!(text.contains("network: chargpt of 1 blocks"), "{text}");
    let written = folder.ok(&["predict", "--model", "poet", "--text", "one ", "--length", "20"]);
    assert!(
        written.starts_with("one ") && written.trim_end_matches('\n').chars().count() == 24,
        "{written:?}"
    );
    std::fs::write(folder.0.join("table.csv"), format!("a,b,kind\n{}", "1,2,x\n3,4,y\n".repeat(5))).unwrap();
    for (arguments, expected) in [
        (&["predict", "--model", "poet", "--data", "rows.csv"][..], "--text"),
        (&["predict", "--model", "lenet", "--text", "one"], "writes no text"),
        (&["train", "--data", "table.csv", "--arch", "lenet"], "takes images"),
        (&["train", "--data", "rhyme.txt", "--arch", "mlp"], "--arch chargpt"),
        (&["train", "--arch", "chargpt", "--data", "digits"], "learns from a text"),
    ] {
        let error = folder.fails(1, arguments);
        assert!(error.contains(expected) && error.trim_end().lines().count() == 1, "{arguments:?}: {error}");
    }
}

#[test]
fn tables_are_trained_on_and_predicted() {
    let folder = Folder::new("table");
    let rows: String = (0..90)
        .map(|i| {
            let class = i % 3;
            let x = class as f64 * 2.0 + (i % 7) as f64 * 0.1;
            format!("{x},{},{}\n", -x + (i % 5) as f64 * 0.1, ["ant", "bee", "cat"][class])
        })
        .collect();
    std::fs::write(folder.0.join("insects.csv"), format!("size,weight,kind\n{rows}")).unwrap();
    let train =
        ["train", "--data", "insects.csv", "--target", "kind", "--hidden", "8", "--epochs", "40", "--quiet"];
    folder.ok(&train);
    std::fs::write(folder.0.join("new.csv"), "size,weight\n0.1,-0.1\n4.2,-4.1\n").unwrap();
    let answer = folder.ok(&["predict", "--model", "runs/insects-mlp-1", "--data", "new.csv"]);
    let lines: Vec<&str> = answer.lines().collect();
    assert_eq!(lines[0], "class,p_ant,p_bee,p_cat");
    assert!(lines[1].starts_with("ant,") && lines[2].starts_with("cat,"), "{answer}");
    let json = folder.ok(&[
        "predict",
        "--model",
        "runs/insects-mlp-1/model.safetensors",
        "--data",
        "new.csv",
        "--json",
    ]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["predictions"][1]["class"], "cat");
    std::fs::write(folder.0.join("narrow.csv"), "size\n0.1\n").unwrap();
    let error = folder.fails(1, &["predict", "--model", "runs/insects-mlp-1", "--data", "narrow.csv"]);
    assert!(error.contains("takes 2 features"), "{error}");
    assert!(folder.fails(1, &["predict", "--model", "new.csv", "--data", "new.csv"]).contains("safetensors"));
}

#[test]
fn a_loss_that_becomes_infinite_names_its_gate_and_the_run_can_go_on() {
    let folder = Folder::new("infinite");
    let error = folder.fails(1, &["train", "--optimizer", "sgd", "--lr", "1e20", "--quiet", "--out", "wild"]);
    assert_eq!(error.trim_end().lines().count(), 1, "{error}");
    for expected in ["--lr", "is in wild", "--resume", "inf"] {
        assert!(error.contains(expected), "{expected} is not in {error}");
    }
    chainrule::io::load_tensors(folder.0.join("wild/checkpoint.safetensors")).unwrap();
    // The first step has ruined the network already; what was kept from before it has not.
    let again = ["--lr", "0.001", "--epochs", "2", "--quiet"];
    folder.fails(1, &[&["train", "--resume", "wild"], &again[..]].concat());
    let first = "wild/checkpoint-00000-0000000.safetensors";
    folder.ok(&[&["train", "--resume", first], &again[..]].concat());
    assert!(folder.0.join("wild/report.html").exists());
}
