//! `chainrule draw`: every kind of file, the text picture, and what is refused.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::{Command, Output};

/// A folder of its own for each test, removed afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("chainrule-draw-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chainrule"));
        command.arg("draw").args(arguments).current_dir(&self.0).output().unwrap()
    }

    /// Standard output of a run that must succeed.
    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The one sentence of a run that must fail.
    #[track_caller]
    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && !text.contains("panicked"), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        text
    }

    /// What drawing writes into this file.
    #[track_caller]
    fn file(&self, arguments: &[&str], name: &str) -> Vec<u8> {
        let text = self.ok(&[arguments, &["-o", name]].concat());
        assert_eq!(text, "");
        std::fs::read(self.0.join(name)).unwrap()
    }

    #[track_caller]
    fn text(&self, arguments: &[&str], name: &str) -> String {
        String::from_utf8(self.file(arguments, name)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const LECTURE: [&str; 4] = ["(x+y)*z", "x=-2", "y=5", "z=-4"];

#[test]
fn the_lectures_example_in_the_terminal() {
    let text = Folder::new("terminal").ok(&LECTURE);
    let expected = "       value  gradient  local gradients
●   x  −2     −4
│ ● y  5      −4
├─╯
●   +  3      −4        ×1  ×1
│ ● z  −4     3
├─╯
●   ×  −12    1         ×(−4)  ×3
●   L
";
    assert_eq!(text, expected);
}

#[test]
fn the_lectures_example_in_every_file() {
    let folder = Folder::new("lecture");
    let svg = folder.text(&LECTURE, "graph.svg");
    for number in [">−12<", ">3<", ">×(−4)<", ">L = (x + y)*z<"] {
        assert!(svg.contains(number), "{number} is not in {svg}");
    }
    assert!(svg.contains("prefers-color-scheme:dark"));
    let (light, dark) =
        (folder.file(&LECTURE, "a.png"), folder.file(&[&LECTURE[..], &["--dark"]].concat(), "b.png"));
    assert!(light.starts_with(b"\x89PNG") && dark.starts_with(b"\x89PNG") && light != dark);
    let dot = folder.text(&LECTURE, "graph.dot");
    assert!(dot.contains("x -> AccumulateGrad_x") && dot.contains("MulBackward0"), "{dot}");
    let saved = folder.text(&[&LECTURE[..], &["--show-saved", "--show-attrs"]].concat(), "saved.dot");
    assert!(saved.contains("[saved tensor]") && saved.contains("orange"), "{saved}");
    let forward = folder.text(&[&LECTURE[..], &["--style", "forward"]].concat(), "forward.dot");
    assert!(forward.contains("Mul") && !forward.contains("Backward"), "{forward}");
    assert!(folder.text(&LECTURE, "page.html").starts_with("<!doctype html>"));
    assert_eq!(folder.text(&LECTURE, "graph.txt"), folder.ok(&LECTURE));
}

#[test]
fn networks_by_name() {
    let folder = Folder::new("networks");
    let text = folder.ok(&["lenet"]);
    assert!(text.contains("● Conv2d     1×6×28×28   0  weight 6×1×5×5  bias 6"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let svg = folder.text(&["vit"], "vit.svg");
    assert!(svg.contains("encoder_layer_0: Block") && svg.contains(">1×65×128<"));
    let dot = folder.text(&["LeNet", "--input", "2x1x28x28"], "lenet.dot");
    assert!(dot.contains("(2, 1, 28, 28)") && dot.contains("ConvolutionBackward0"), "{dot}");
    assert!(folder.text(&["lenet"], "lenet.html").contains("<title>lenet</title>"));
}

#[test]
fn a_trained_network() {
    let folder = Folder::new("trained");
    let train = ["train", "--epochs", "1", "--quiet", "--out", "run"];
    let status = Command::new(env!("CARGO_BIN_EXE_chainrule")).args(train).current_dir(&folder.0).status();
    assert!(status.unwrap().success());
    let text = folder.ok(&["--model", "run"]);
    assert!(text.contains("Linear") && text.contains("weight 64×64"), "{text}");
    assert!(folder.text(&["--model", "run"], "run.dot").contains("0.weight"));
}

#[test]
fn what_makes_no_picture_gets_one_sentence() {
    let folder = Folder::new("refused");
    assert!(folder.fails(&["alxnet"]).contains("the names are softmax, mlp, lenet, alexnet"));
    assert!(folder.fails(&["lenet", "--dark", "-o", "a.svg"]).contains("--dark belongs to .png"));
    assert!(folder.fails(&["lenet", "--style", "forward", "-o", "a.html"]).contains("style of its own"));
    assert!(folder.fails(&["lenet", "--show-saved", "-o", "a.html"]).contains("style of its own"));
    assert!(folder.fails(&["lenet", "-o", "a.jpg"]).contains(".svg, .png, .dot"));
    assert!(folder.fails(&["lenet", "-o", "nowhere/a.svg"]).contains("nowhere"));
    assert!(folder.fails(&["lenet", "--input", "784"]).contains("[1, 28, 28]"));
    assert!(folder.fails(&["lenet", "--input", "1x1x4x4"]).contains("Conv"));
    assert!(folder.fails(&["x*y", "x=1"]).contains("no value for y"));
    assert!(folder.fails(&["x*y", "x=1", "y=2", "--input", "1x2"]).contains("--input"));
    assert!(folder.fails(&["lenet", "--style", "board", "--show-saved"]).contains("torchviz"));
    assert!(folder.fails(&["--model", "nothing"]).contains("nothing"));
}
