//! The program as a user meets it: commands, files, exit codes.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A folder of its own for each test, removed afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("chainrule-test-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chainrule"));
        command.args(arguments).current_dir(&self.0);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Standard output of a run that must succeed.
    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    /// The one sentence of a run that must fail with this code.
    #[track_caller]
    fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(!text.contains("panicked"), "{text}");
        text
    }

    fn bytes(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.0.join(path)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

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

#[cfg(unix)]
#[test]
fn an_interrupted_run_goes_on_to_the_same_bits() {
    let folder = Folder::new("interrupt");
    for optimizer in ["adam", "sgd"] {
        let (whole, broken) = (format!("{optimizer}-whole"), format!("{optimizer}-broken"));
        let options = ["train", "--epochs", "60", "--quiet", "--optimizer", optimizer, "--out"];
        folder.ok(&[&options[..], &[&whole]].concat());
        let mut child =
            folder.command(&[&options[..], &[&broken]].concat()).stdout(Stdio::null()).spawn().unwrap();
        while !folder.0.join(&broken).exists() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        std::thread::sleep(std::time::Duration::from_millis(150));
        let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert!(signal.success());
        assert!(child.wait().unwrap().success());
        let epochs =
            String::from_utf8(folder.bytes(&format!("{broken}/metrics.csv"))).unwrap().lines().count() - 1;
        assert!(epochs < 60, "the run was over before it could be interrupted");
        folder.ok(&["train", "--resume", &broken, "--quiet"]);
        assert_eq!(
            folder.bytes(&format!("{whole}/model.safetensors")),
            folder.bytes(&format!("{broken}/model.safetensors")),
            "{optimizer} after {epochs} epochs"
        );
    }
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

#[cfg(unix)]
#[test]
fn a_killed_run_leaves_whole_files_and_goes_on_to_the_same_bits() {
    let folder = Folder::new("kill");
    let options =
        ["train", "--epochs", "12", "--quiet", "--schedule", "cosine", "--checkpoint-every", "1", "--out"];
    folder.ok(&[&options[..], &["whole"]].concat());
    let mut midway = 0;
    for (round, wait) in [20, 60, 110, 170, 240, 330, 450].into_iter().enumerate() {
        let name = format!("killed-{round}");
        let mut child = folder.command(&[&options[..], &[&name]].concat()).spawn().unwrap();
        while !folder.0.join(&name).join("checkpoint.safetensors").exists() {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        std::thread::sleep(std::time::Duration::from_millis(wait));
        child.kill().unwrap(); // SIGKILL
        midway += usize::from(!child.wait().unwrap().success());
        // Whatever has its name is whole; what was being written is still hidden.
        for entry in std::fs::read_dir(folder.0.join(&name)).unwrap() {
            let file = entry.unwrap().file_name().into_string().unwrap();
            let bytes = folder.bytes(&format!("{name}/{file}"));
            match file.rsplit('.').next().unwrap() {
                _ if file.starts_with("events.out.tfevents.") => {}
                "html" => assert!(bytes.ends_with(b"</html>\n")),
                "part" => assert!(file.starts_with('.')),
                "safetensors" => drop(chainrule::io::load_tensors(folder.0.join(&name).join(&file)).unwrap()),
                "toml" => drop(String::from_utf8(bytes).unwrap().parse::<toml::Table>().unwrap()),
                "json" => drop(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()),
                "csv" => assert!(bytes.ends_with(b"\n")),
                "svg" => assert!(bytes.ends_with(b"</svg>\n")),
                "png" => assert!(bytes.ends_with(b"IEND\xae\x42\x60\x82")),
                _ => panic!("{file} was not expected"),
            }
        }
        folder.ok(&["train", "--resume", &name, "--quiet"]);
        for file in ["model.safetensors", "metrics.csv"] {
            let (a, b) = (folder.bytes(&format!("whole/{file}")), folder.bytes(&format!("{name}/{file}")));
            assert!(a == b, "{file} differs after a kill at {wait} ms");
        }
        let parts = std::fs::read_dir(folder.0.join(&name)).unwrap();
        assert!(!parts.flatten().any(|entry| entry.file_name().to_string_lossy().ends_with(".part")));
    }
    assert!(midway > 0, "every run was over before it could be killed");
}

/// Files that outgrow a limit fail as on a full disk: in the middle of being written.
#[cfg(unix)]
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
fn explanations_have_the_lectures_numbers() {
    let folder = Folder::new("explain");
    let text = folder.ok(&["explain", "(x+y)*z", "x=-2", "y=5", "z=-4", "--symbolic"]);
    for expected in ["L = -12", "g1 = x + y", "∂L/∂x = z = -4", "∂L/∂x = ∂g2/∂g1 · ∂g1/∂x", "(-4) · 1"]
    {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    assert!(!text.contains('\x1b') && text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let neuron = "1/(1+exp(-(w0*x0+w1*x1+w2)))";
    let values = ["w0=2", "x0=-1", "w1=-3", "x1=-2", "w2=-3"];
    let text = folder.ok(&[&["explain", neuron], &values[..]].concat());
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let json = folder.ok(&[&["explain", neuron, "--json"], &values[..]].concat());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let gradients: Vec<String> = json["inputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|input| {
            format!("{} {:.2}", input["name"].as_str().unwrap(), input["gradient"][0].as_f64().unwrap())
        })
        .collect();
    assert_eq!(gradients, ["w0 -0.20", "x0 0.39", "w1 -0.39", "x1 -0.59", "w2 0.20"]);
    assert_eq!(format!("{:.2}", json["value"].as_f64().unwrap()), "0.73");
    // Forks, steps, kinks, vectors.
    assert!(folder.ok(&["explain", "x*x + x", "x=3"]).contains("sums at forks"));
    let steps = folder.ok(&["explain", "x*x", "x=3", "--step"]);
    assert!(steps.find("forward").unwrap() < steps.find("backward").unwrap(), "{steps}");
    assert!(folder.ok(&["explain", "abs(x)", "x=0"]).contains("a kink: -1 left, 1 right"));
    let vector = folder.ok(&["explain", "-log(dot(softmax(v), [0,1,0]))", "v=[1,2,3]"]);
    assert!(vector.contains("∂L/∂v[1]"), "{vector}");
    // The Jacobian of softmax at [1, 2, 3], and what it makes of the upstream gradient.
    for expected in
        ["[[ 0.0819,  -0.022, -0.0599],", "passed  [0.09, -0.7553, 0.6652]", "g2 = dot(g1, [0, 1, 0])"]
    {
        assert!(vector.contains(expected), "{expected} is not in\n{vector}");
    }
    let attention = ["sum(softmax(v)*w*x)", "v=[1,2,3]", "w=[1,0,-1]", "x=2"];
    let text = folder.ok(&[&["explain", "--symbolic"], &attention[..]].concat());
    for expected in [
        "∂L/∂v = softmax(v)*(x*w - dot(x*w, softmax(v))) = [0.2836, 0.2815, -0.5652]",
        "∂L/∂w = x*softmax(v) = [0.1801, 0.4895, 1.3305]",
        "∂L/∂x = sum(softmax(v)*w) = -0.5752",
        "= [1, 1, 1] · diag[2, 2, 2] · diag[1, 0, -1] · J(3×3)",
        "passed  -0.5752 (summed: it was broadcast)",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    let json = folder.ok(&[&["explain", "--json", "--symbolic"], &attention[..]].concat());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["gates"][0]["inputs"][0]["jacobian"].as_array().unwrap().len(), 3);
    assert_eq!(json["inputs"][2]["symbolic"]["expression"], "sum(softmax(v)*w)");
    assert_eq!(json["inputs"][2]["verdicts"][0], "agrees");
    // Whatever is explained fits 80 columns.
    for arguments in [
        &["-log(dot(softmax(v), [0,1,0]))", "v=[1,2,3]"][..],
        &attention,
        &["max(x, y, 3)*min(x, y)^x + exp(x)*exp(y)", "x=1", "y=2"],
        &["dot([first_of_all, y, 1], v)^2/y", "first_of_all=-1234567.891", "y=2e-9", "v=[1,2e8,-3e-7]"],
        &["sum(tanh(v)*v)", "v=[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]"],
    ] {
        for option in ["--symbolic", "--step"] {
            let text = folder.ok(&[&["explain", option], arguments].concat());
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        }
    }
    // Steps suit the place: a pole lies closer than the usual ones reach.
    assert!(folder.ok(&["explain", "1/y", "y=2e-9"]).contains("-2.50000000e17    agrees"));
    // Where a logarithm ends, nothing disagrees.
    assert!(folder.ok(&["explain", "log(x)", "x=0"]).contains("there is no derivative here"));
    assert!(folder.ok(&["explain", "--json", "-x*x", "x=3"]).starts_with('{'));
}

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
    for command in ["train", "predict", "explain", "check", "gates", "completions"] {
        assert!(folder.ok(&[command, "--help"]).contains("Example"), "{command}");
    }
}
