//! Runs in the library: every network learns, goes on to the same bits, and says what is wrong.
#![cfg(feature = "images")]
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use chainrule::data::{Dataset, Text};
use chainrule::train::{
    Arch, Augment, ClassWeights, Data, DataKind, Decay, Judge, OptimizerKind, Settings, TrainedModel,
    Training,
};
use chainrule::{Array, DType, Error, ErrorKind, Generator};

/// A folder of this test's own, removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("chainrule-training-{}-{name}", std::process::id()));
        drop(std::fs::remove_dir_all(&path));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Images of two classes: bright above, or bright below.
fn images(n: usize, channels: usize, side: usize) -> Dataset {
    let noise = Generator::new(1).rand([n, channels, side, side], DType::F32).to_f64_vec();
    let plane = side * side;
    let pixels = noise.iter().enumerate().map(|(i, x)| {
        let (example, above) = (i / (channels * plane), i % plane < plane / 2);
        (x * 100.0) as u8 + if above == (example % 2 == 0) { 150 } else { 0 }
    });
    let features = Array::from_vec(pixels.collect::<Vec<u8>>(), [n, channels, side, side]).unwrap();
    let labels = (0..n).map(|i| (i % 2) as i64).collect();
    Dataset::new("stripes", features, labels, vec!["above".into(), "below".into()]).unwrap()
}

fn stripes(channels: usize, side: usize) -> Data {
    (images(24, channels, side), images(8, channels, side)).into()
}

/// As few of them as large networks need.
fn few(channels: usize, side: usize) -> Data {
    (images(4, channels, side), images(2, channels, side)).into()
}

fn settings(arch: Arch) -> Settings {
    Settings {
        arch,
        epochs: 2,
        batch: 6,
        hidden: vec![8],
        width: 8,
        depth: 1,
        heads: 2,
        lr: 1e-3,
        ..Settings::default()
    }
}

fn text() -> Data {
    Data::Text(Text::new(&"the chain rule multiplies. ".repeat(40)).unwrap())
}

/// Trains to the end; the state in the middle is written into a folder.
fn train(mut training: Training, folder: &Path, middle: usize) -> Training {
    while !training.is_done() {
        if training.steps() == middle {
            training.save_checkpoint(folder, 1).unwrap();
        }
        training.step().unwrap();
    }
    training
}

/// The bits of all that a network holds.
fn bits(training: &Training) -> Vec<(String, Vec<f64>)> {
    let state = training.network().state();
    state.into_iter().map(|(name, owned)| (name, owned.tensor().to_f64_vec())).collect()
}

#[test]
fn every_network_goes_on_to_the_same_bits() {
    let folder = Folder::new("resume");
    // The smallest inputs that the networks take; SqueezeNet's dropout, ResNet's running statistics, and what a schedule,
    // a momentum, accumulated gradients and a part to judge by remember.
    let base = settings(Arch::LeNet);
    for (settings, data) in [
        (Settings { validation: 0.25, judge: Judge::Accuracy, ..settings(Arch::Softmax) }, stripes(1, 8)),
        (
            Settings { optimizer: OptimizerKind::RmsProp, momentum: Some(0.5), ..settings(Arch::Mlp) },
            stripes(1, 8),
        ),
        (
            Settings { accumulate: 3, clip_norm: Some(0.5), schedule: Decay::OneCycle, ..base.clone() },
            stripes(1, 28),
        ),
        (
            Settings {
                batch: 2,
                size: Some(32),
                augment: vec![Augment::Flip, Augment::Crop],
                ..settings(Arch::ResNet18)
            },
            few(1, 32),
        ),
        (
            Settings { batch: 2, size: Some(32), schedule: Decay::Plateau, ..settings(Arch::SqueezeNet11) },
            few(3, 32),
        ),
        (
            Settings { size: Some(16), optimizer: OptimizerKind::Nesterov, ..settings(Arch::Vit) },
            stripes(3, 16),
        ),
        (
            Settings {
                length: 8,
                label_smoothing: 0.1,
                optimizer: OptimizerKind::Adamw,
                ..settings(Arch::CharGpt)
            },
            text(),
        ),
    ] {
        let name = settings.arch.name();
        let whole = Training::new(settings.clone(), data.clone()).unwrap();
        let middle = whole.steps_per_epoch() * 5 / 4;
        let whole = train(whole, &folder.0, middle);
        let resumed = Training::resume(&folder.0, settings.clone(), data).unwrap();
        assert_eq!(resumed.steps(), middle, "{name}");
        let resumed = train(resumed, &folder.0, usize::MAX);
        assert_eq!(bits(&whole), bits(&resumed), "{name}");
        assert_eq!(whole.history(), resumed.history(), "{name}");
        assert_eq!(whole.best_epoch(), resumed.best_epoch(), "{name}");
        // Written and read, the network answers the same.
        let test = whole.evaluate().unwrap();
        whole.save_results(&folder.0, &test).unwrap();
        let model = TrainedModel::load(&folder.0).unwrap();
        assert_eq!(model.settings, settings, "{name}");
        if settings.arch == Arch::CharGpt {
            let written = model.write("the ", 10, 0.5, 0).unwrap();
            assert_eq!(written.chars().count(), 14, "{written}");
            assert!(model.write("é", 1, 1.0, 0).unwrap_err().to_string().contains("not in the alphabet"));
        } else {
            let (channels, side) = match settings.arch {
                Arch::LeNet => (1, 28),
                Arch::Vit => (3, 16),
                Arch::SqueezeNet11 => (3, 32),
                Arch::ResNet18 => (1, 32),
                _ => (1, 8),
            };
            let chances = model.predict(&images(3, channels, side).features).unwrap();
            assert_eq!(chances.shape(), [3, 2], "{name}");
        }
    }
}

#[test]
fn dropout_draws_by_the_step() {
    let settings = Settings { batch: 2, size: Some(32), ..settings(Arch::SqueezeNet11) };
    let mut losses = [5, 77].map(|seed| {
        let mut training = Training::new(settings.clone(), few(3, 32)).unwrap();
        chainrule::manual_seed(seed);
        training.step().unwrap();
        assert_eq!(Generator::of_thread().drawn(), 0, "a run leaves the thread's own generator alone");
        training.running_loss()
    });
    assert_eq!(losses[0], losses[1]);
    // Another run draws otherwise.
    let other = Settings { seed: 1, ..settings };
    let mut training = Training::new(other, few(3, 32)).unwrap();
    training.step().unwrap();
    losses[0] = training.running_loss();
    assert_ne!(losses[0], losses[1]);
}

#[test]
fn batches_add_up_to_one() {
    // Two halves of a batch give the gradient of the whole, class weights included.
    let run = |batch, accumulate, class_weights: ClassWeights| {
        let settings = Settings {
            batch,
            accumulate,
            class_weights,
            epochs: 1,
            optimizer: OptimizerKind::Sgd,
            lr: 0.1,
            ..settings(Arch::Mlp)
        };
        let mut training = Training::new(settings, stripes(1, 8)).unwrap();
        training.step().unwrap();
        bits(&training)
    };
    for weights in [ClassWeights::Equal, ClassWeights::Balanced, ClassWeights::Numbers(vec![1.0, 3.0])] {
        let (whole, halves) = (run(12, 1, weights.clone()), run(6, 2, weights));
        for ((name, a), (_, b)) in whole.iter().zip(&halves) {
            let most = a.iter().zip(b).fold(0.0f64, |most, (a, b)| most.max((a - b).abs()));
            assert!(most < 1e-6, "{name}: {most}");
        }
    }
    assert_ne!(run(12, 1, ClassWeights::Equal), run(12, 1, ClassWeights::Numbers(vec![1.0, 3.0])));
}

#[test]
fn the_best_epoch_is_kept_and_the_run_ends_when_nothing_improves() {
    let settings =
        Settings { epochs: 200, patience: Some(3), validation: 0.25, lr: 0.05, ..settings(Arch::Softmax) };
    // Labels without rhyme or reason: what is learned by heart makes the validation loss rise.
    let mut data = images(40, 1, 8);
    data.labels = Generator::new(3).randint(0, 2, [40]).unwrap().to_i64_vec();
    let mut training = Training::new(settings, (data, images(8, 1, 8))).unwrap();
    let mut states = vec![bits(&training)];
    while !training.is_done() {
        if training.step().unwrap().is_some() {
            states.push(bits(&training));
        }
    }
    let epochs = training.history().len();
    let best = training.best_epoch().unwrap();
    assert!(training.stopped_early() && epochs < 200 && best == epochs - 3, "{best} of {epochs}");
    let lowest = |a: &usize, b: &usize| {
        let loss = |epoch: usize| training.history()[epoch - 1].validation.unwrap().loss;
        loss(*a).total_cmp(&loss(*b))
    };
    assert_eq!((1..=epochs).min_by(lowest), Some(best));
    training.take_best().unwrap();
    assert_eq!(bits(&training), states[best]);
}

#[test]
fn frozen_parameters_stay_and_weights_begin_a_run() {
    let folder = Folder::new("weights");
    let mut training = Training::new(settings(Arch::LeNet), stripes(1, 28)).unwrap();
    training.step().unwrap();
    training.save_results(&folder.0, &training.evaluate().unwrap()).unwrap();
    let path = folder.0.join("model.safetensors").to_string_lossy().into_owned();
    let begin = Settings {
        weights: Some(path),
        freeze: ["0.", "3.", "7.", "9."].map(String::from).to_vec(),
        seed: 9,
        ..settings(Arch::LeNet)
    };
    let mut second = Training::new(begin.clone(), stripes(1, 28)).unwrap();
    assert_eq!(second.loaded().unwrap().matched.len(), 10);
    assert_eq!(bits(&second), bits(&training));
    second.step().unwrap();
    for ((name, before), (_, after)) in bits(&training).iter().zip(bits(&second)) {
        assert_eq!(*before == after, !name.starts_with("11."), "{name}");
    }
    let other = Settings { arch: Arch::Mlp, freeze: Vec::new(), ..begin };
    let error = Training::new(other, stripes(1, 8)).unwrap_err().to_string();
    assert!(error.contains("model.safetensors: no tensor in it has the name"), "{error}");
}

#[test]
fn infinite_losses_name_their_gate_and_leave_the_network_as_it_was() {
    let settings = Settings { lr: 1e30, optimizer: OptimizerKind::Sgd, epochs: 50, ..settings(Arch::Mlp) };
    let mut training = Training::new(settings, stripes(1, 8)).unwrap();
    let mut before = bits(&training);
    let error: Error = loop {
        match training.step() {
            Ok(_) => before = bits(&training),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Anomaly, "{error}");
    assert!(error.gate().is_some(), "{error}");
    assert!(error.to_string().contains("smaller learning rate"), "{error}");
    assert_eq!(before, bits(&training));
    // A running statistic is put back, too.
    let mut data = images(4, 1, 32).features.cast(DType::F32);
    data.make_mut::<f32>().unwrap()[40] = f32::NAN;
    let broken = Dataset { features: data, ..images(4, 1, 32) };
    let settings = Settings { batch: 4, size: Some(32), ..self::settings(Arch::ResNet18) };
    let mut training = Training::new(settings, (broken, images(2, 1, 32))).unwrap();
    let before = bits(&training);
    assert_eq!(training.step().unwrap_err().kind(), ErrorKind::Anomaly);
    assert_eq!(before, bits(&training));
}

#[test]
fn real_batches_are_checked() {
    for (settings, data) in [
        (
            Settings {
                label_smoothing: 0.1,
                class_weights: ClassWeights::Numbers(vec![1.0, 2.0]),
                ..settings(Arch::LeNet)
            },
            stripes(1, 28),
        ),
        (Settings { length: 8, ..settings(Arch::CharGpt) }, text()),
    ] {
        let training = Training::new(settings, data).unwrap();
        let before = bits(&training);
        let report = training.check_batch(3).unwrap();
        assert!(report.passed() && report.findings.iter().all(|f| f.compared > 0), "{report}");
        assert_eq!(before, bits(&training), "a check changes nothing");
    }
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let base = settings(Arch::Mlp);
    for (settings, expected) in [
        (Settings { accumulate: 0, ..base.clone() }, "at least one batch"),
        (Settings { validation: 1.0, ..base.clone() }, "a share from 0 to less than 1"),
        (Settings { patience: Some(2), ..base.clone() }, "--validation 0.1"),
        (Settings { label_smoothing: -0.5, ..base.clone() }, "label smoothing"),
        (Settings { clip_norm: Some(0.0), ..base.clone() }, "--clip-norm takes a positive number"),
        (Settings { schedule: Decay::MultiStep, ..base.clone() }, "--milestones"),
        (
            Settings { class_weights: ClassWeights::Numbers(vec![1.0]), ..base.clone() },
            "1 class weights and 2 classes",
        ),
        (Settings { freeze: vec![String::new()], ..base.clone() }, "all parameters are frozen"),
        (Settings { validation: 0.001, ..base.clone() }, "0 to judge by"),
    ] {
        let error = Training::new(settings, stripes(1, 8)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let table =
        Dataset::new("t", Array::zeros([4, 3]), vec![0, 1, 0, 1], vec!["a".into(), "b".into()]).unwrap();
    let error = Training::new(settings(Arch::LeNet), (table.clone(), table)).unwrap_err().to_string();
    assert!(error.contains("lenet takes images") && error.contains("--arch mlp"), "{error}");
    let open = |arch: Arch, data: &str| {
        Data::open(&Settings { data: data.into(), ..settings(arch) }).unwrap_err().to_string()
    };
    assert!(open(Arch::CharGpt, "digits").contains("learns from a text"));
    assert!(open(Arch::Mlp, "nowhere").contains("no such file or folder"));
    let folder = Folder::new("texts");
    let path = folder.0.join("poem.txt");
    std::fs::write(&path, "roses are red").unwrap();
    assert!(open(Arch::LeNet, path.to_str().unwrap()).contains("--arch chargpt"));
    assert_eq!(DataKind::of(path.to_str().unwrap(), false).unwrap(), DataKind::Text);
}

#[test]
fn sources_from_which_nothing_can_be_learned_are_refused_by_name() {
    let folder = Folder::new("sources");
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    let idx = |sizes: &[u32]| {
        let mut bytes = vec![0, 0, 8, sizes.len() as u8];
        sizes.iter().for_each(|size| bytes.extend(size.to_be_bytes()));
        bytes.resize(bytes.len() + sizes.iter().product::<u32>() as usize, 3);
        bytes
    };
    let mnist = |name: &str, train: [u32; 3], test: [u32; 3]| {
        for (part, [n, height, width]) in [("train", train), ("t10k", test)] {
            write(&format!("{name}/{part}-images-idx3-ubyte"), &idx(&[n, height, width]));
            write(&format!("{name}/{part}-labels-idx1-ubyte"), &idx(&[n]));
        }
    };
    mnist("none", [0, 28, 28], [4, 28, 28]);
    mnist("untested", [4, 28, 28], [0, 28, 28]);
    mnist("flat", [4, 0, 28], [4, 0, 28]);
    mnist("other", [4, 28, 28], [4, 14, 14]);
    write("row.csv", b"a,b\n1,x\n");
    write("single.csv", b"a,b\n1,x\n2,x\n3,x\n4,x\n");
    write("short.txt", &[b'a'; 400]);
    write("photos/cat/1.png", b"");
    for (data, arch, expected) in [
        ("none", Arch::LeNet, "0 examples to learn from"),
        ("untested", Arch::LeNet, "0 to test with"),
        ("flat", Arch::Mlp, "[1, 0, 28]: there is nothing in them"),
        ("other", Arch::LeNet, "those of the test part [1, 14, 14]"),
        ("row.csv", Arch::Mlp, "1 examples to learn from and 0 to test with are too few; where no test part"),
        ("single.csv", Arch::Mlp, "all examples are of one class, \"x\""),
        ("short.txt", Arch::CharGpt, "of the text's 400 characters 40 are to test with"),
        ("photos", Arch::LeNet, "1 examples to learn from"),
    ] {
        let path = folder.0.join(data).to_string_lossy().into_owned();
        let error = Data::open(&Settings { arch, data: path.clone(), length: 64, ..Settings::default() });
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with(&path) && error.contains(expected), "{error}");
    }
}

#[test]
fn all_optimisers_and_schedules_learn() {
    for &optimizer in OptimizerKind::ALL {
        for &schedule in Decay::ALL {
            let settings = Settings {
                optimizer,
                schedule,
                milestones: vec![3],
                epochs: 6,
                lr: if matches!(optimizer, OptimizerKind::Sgd | OptimizerKind::Nesterov) {
                    0.05
                } else {
                    0.01
                },
                ..settings(Arch::Softmax)
            };
            let mut training = Training::new(settings, stripes(1, 8)).unwrap();
            while !training.is_done() {
                training.step().unwrap();
            }
            let accuracy = training.evaluate().unwrap().score.accuracy;
            assert!(accuracy == 1.0, "{optimizer} {schedule}: {accuracy}");
        }
    }
}

#[test]
fn every_network_of_the_table_can_be_trained() {
    let names: Vec<&str> = Arch::ALL.iter().map(|arch| arch.name()).collect();
    assert_eq!(names, chainrule::models::MODELS.iter().map(|model| model.name).collect::<Vec<_>>());
}
