//! `chainrule explain`: the worked solutions.
#![allow(clippy::unwrap_used)]

mod common;

use common::Folder;

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
