//! Optimisers, schedules and clipping against what PyTorch does (`golden/optim.json`, written by `golden/optim.py`).
#![allow(clippy::unwrap_used)]

use chainrule::optim::{
    Adagrad, AdagradOptions, Adam, AdamOptions, Anneal, Goal, Group, OneCycle, Optimizer, Plateau,
    PlateauOptions, RmsProp, RmsPropOptions, Rule, Schedule, Scheduler, Sgd, SgdOptions, Threshold, Updater,
    clip_grad_norm, clip_grad_value,
};
use chainrule::{Array, DType, Tensor};
use serde_json::Value;
use std::slice::from_ref;

const START: [&[f64]; 2] = [&[0.5, -1.25, 2.0], &[3.0, -0.125]];

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/optim.json")).unwrap()
}

fn parameters(dtype: DType) -> [Tensor; 2] {
    START.map(|values| {
        let array = Array::from_vec(values.to_vec(), [values.len()]).unwrap().cast(dtype);
        Tensor::from_array(array).requires_grad_(true).unwrap()
    })
}

/// The script's gradients: the second parameter has none in steps 0 and 3.
fn set_gradient(parameter: &Tensor, step: usize, group: usize) {
    let value = |i| ((7 * step + 3 * group + 5 * i) % 11) as f64 - 5.0;
    let values: Vec<f64> = (0..START[group].len()).map(|i| value(i) * 0.3 + 0.05).collect();
    let array = Array::from_vec(values, [START[group].len()]).unwrap().cast(parameter.dtype());
    let gradient = (group == 0 || (step != 0 && step != 3)).then(|| Tensor::from_array(array));
    parameter.set_grad(gradient).unwrap();
}

fn number(options: &Value, name: &str, default: f64) -> f64 {
    options.get(name).map_or(default, |v| v.as_f64().unwrap())
}

fn flag(options: &Value, name: &str) -> bool {
    options.get(name).is_some_and(|v| v.as_bool().unwrap())
}

fn groups<R: Rule>(parameters: &[Tensor; 2], case: &Value, read: impl Fn(&Value) -> R) -> Updater<R> {
    let first = &case["options"];
    let mut second = first.as_object().unwrap().clone();
    second.extend(case["second"].as_object().unwrap().clone());
    let group = |i: usize, options: &Value| {
        Group::new(&parameters[i..=i], options["lr"].as_f64().unwrap()).with(read(options))
    };
    Updater::groups([group(0, first), group(1, &Value::Object(second))]).unwrap()
}

fn build(parameters: &[Tensor; 2], case: &Value) -> Box<dyn Optimizer> {
    let name = case["optimizer"].as_str().unwrap();
    match name {
        "sgd" => Box::new(groups(parameters, case, |o| SgdOptions {
            momentum: number(o, "momentum", 0.0),
            dampening: number(o, "dampening", 0.0),
            weight_decay: number(o, "weight_decay", 0.0),
            nesterov: flag(o, "nesterov"),
            maximize: flag(o, "maximize"),
        })),
        "adam" | "adamw" => Box::new(groups(parameters, case, |o| {
            let base = if name == "adamw" { AdamOptions::adamw() } else { AdamOptions::default() };
            let beta = |i: usize, default| o.get("betas").map_or(default, |b| b[i].as_f64().unwrap());
            AdamOptions {
                beta1: beta(0, base.beta1),
                beta2: beta(1, base.beta2),
                eps: number(o, "eps", base.eps),
                weight_decay: number(o, "weight_decay", base.weight_decay),
                amsgrad: flag(o, "amsgrad"),
                maximize: flag(o, "maximize"),
                ..base
            }
        })),
        "rmsprop" => Box::new(groups(parameters, case, |o| {
            let base = RmsPropOptions::default();
            RmsPropOptions {
                alpha: number(o, "alpha", base.alpha),
                eps: number(o, "eps", base.eps),
                weight_decay: number(o, "weight_decay", base.weight_decay),
                momentum: number(o, "momentum", base.momentum),
                centered: flag(o, "centered"),
                maximize: flag(o, "maximize"),
            }
        })),
        _ => Box::new(groups(parameters, case, |o| {
            let base = AdagradOptions::default();
            AdagradOptions {
                rate_decay: number(o, "lr_decay", base.rate_decay),
                weight_decay: number(o, "weight_decay", base.weight_decay),
                initial: number(o, "initial_accumulator_value", base.initial),
                eps: number(o, "eps", base.eps),
                maximize: flag(o, "maximize"),
            }
        })),
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect()
}

fn assert_close(actual: &[f64], expected: &[f64], relative: f64, what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (a, e) in actual.iter().zip(expected) {
        assert!((a - e).abs() <= relative * e.abs().max(1e-3), "{what}: {actual:?}, PyTorch: {expected:?}");
    }
}

#[test]
fn maximising_is_minimising_with_the_sign_of_the_gradient_turned() {
    for (optimizer, options) in [
        ("sgd", r#""momentum": 0.9, "weight_decay": 0.1"#),
        ("adamw", r#""amsgrad": true"#),
        ("rmsprop", r#""centered": true"#),
        ("adagrad", r#""lr_decay": 0.1"#),
    ] {
        let after = |maximize: bool| {
            let options = format!(r#"{{"lr": 0.1, {options}, "maximize": {maximize}}}"#);
            let case =
                format!(r#"{{"optimizer": "{optimizer}", "options": {options}, "second": {{"lr": 0.2}}}}"#);
            let parameters = parameters(DType::F64);
            let mut optimizer = build(&parameters, &serde_json::from_str(&case).unwrap());
            for step in 0..4 {
                for (group, parameter) in parameters.iter().enumerate() {
                    set_gradient(parameter, step, group);
                    if maximize {
                        parameter.set_grad(parameter.grad().map(|gradient| -gradient)).unwrap();
                    }
                }
                optimizer.step().unwrap();
            }
            parameters.map(|parameter| parameter.to_f64_vec())
        };
        assert_eq!(after(true), after(false), "{optimizer}");
    }
}

#[test]
fn optimisers_follow_pytorch_step_by_step() {
    let golden = golden();
    for case in golden["optimizers"].as_array().unwrap() {
        for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 1e-5)] {
            let parameters = parameters(dtype);
            let mut optimizer = build(&parameters, case);
            for (step, expected) in case["values"].as_array().unwrap().iter().enumerate() {
                for (group, parameter) in parameters.iter().enumerate() {
                    set_gradient(parameter, step, group);
                }
                optimizer.step().unwrap();
                let actual: Vec<f64> = parameters.iter().flat_map(Tensor::to_f64_vec).collect();
                let what = format!("{} {} {dtype}, step {step}", case["optimizer"], case["options"]);
                assert_close(&actual, &numbers(expected), tolerance, &what);
            }
        }
    }
}

#[test]
fn every_optimiser_goes_on_from_its_state_to_the_bit() {
    for case in golden()["optimizers"].as_array().unwrap() {
        let parameters = parameters(DType::F32);
        let mut optimizer = build(&parameters, case);
        let run = |optimizer: &mut dyn Optimizer, parameters: &[Tensor; 2], steps: std::ops::Range<usize>| {
            for step in steps {
                for (group, parameter) in parameters.iter().enumerate() {
                    set_gradient(parameter, step, group);
                }
                optimizer.step().unwrap();
            }
        };
        run(&mut *optimizer, &parameters, 0..3);
        optimizer.set_learning_rate(0.025);
        let copies =
            parameters.clone().map(|p| Tensor::from_array(p.array().copied()).requires_grad_(true).unwrap());
        let mut other = build(&copies, case);
        other.load_state(&optimizer.state()).unwrap();
        assert_eq!(other.rates(), [0.025, 0.025]);
        run(&mut *optimizer, &parameters, 3..6);
        run(&mut *other, &copies, 3..6);
        for (a, b) in parameters.iter().zip(&copies) {
            assert_eq!(a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap(), "{case}");
        }
        let mut broken = optimizer.state();
        broken.retain(|(name, _)| name != "step.1");
        assert!(other.load_state(&broken).unwrap_err().to_string().contains("step.1 is missing"));
    }
}

#[test]
fn large_parameters_are_cut_into_parts_without_a_seam() {
    // Longer than a part, and not a multiple of it.
    let n = 100_003;
    let whole: Vec<f32> = (0..n).map(|i| (i as f32 * 0.37).sin()).collect();
    let large = Tensor::from_vec(whole.clone(), [n]).unwrap().requires_grad_(true).unwrap();
    let mut adam = Adam::new(from_ref(&large), 0.1);
    let last = Tensor::from_vec(whole[n - 7..].to_vec(), [7]).unwrap().requires_grad_(true).unwrap();
    let mut small = Adam::new(from_ref(&last), 0.1);
    for _ in 0..3 {
        for (parameter, optimizer) in [(&large, &mut adam), (&last, &mut small)] {
            parameter.zero_grad();
            parameter.square().unwrap().sum().unwrap().backward().unwrap();
            optimizer.step().unwrap();
        }
    }
    assert_eq!(large.to_vec::<f32>().unwrap()[n - 7..], last.to_vec::<f32>().unwrap());
}

#[test]
fn schedules_follow_pytorch() {
    let one_cycle = OneCycle { steps: 12, ..OneCycle::default() };
    let schedule = |name: &str| match name {
        "step" => Schedule::Step { every: 3, factor: 0.5 },
        "multi-step" => Schedule::MultiStep { at: vec![2, 5, 5, 7], factor: 0.5 },
        "exponential" => Schedule::Exponential { factor: 0.9 },
        "cosine" => Schedule::Cosine { steps: 6, minimum: 0.05 },
        "linear" => Schedule::Linear { start: 0.25, end: 0.75, steps: 5 },
        "warm-up" => Schedule::Cosine { steps: 8, minimum: 0.0 }.warm_up(4, 0.1),
        "one-cycle" | "one-cycle-adam" => Schedule::OneCycle(one_cycle),
        "one-cycle-linear" => Schedule::OneCycle(OneCycle {
            steps: 20,
            rise: 0.4,
            divisor: 10.0,
            final_divisor: 100.0,
            anneal: Anneal::Linear,
            three_phase: true,
            momentum: Some((0.8, 0.9)),
        }),
        other => panic!("no schedule {other}"),
    };
    for case in golden()["schedules"].as_array().unwrap() {
        let name = case["schedule"].as_str().unwrap();
        let [a, b] = parameters(DType::F64);
        let mut optimizer: Box<dyn Optimizer> = if name == "one-cycle-adam" {
            Box::new(Adam::groups([Group::new(&[a], 0.8), Group::new(&[b], 0.2)]).unwrap())
        } else {
            let options = SgdOptions { momentum: 0.9, ..SgdOptions::default() };
            let groups = [Group::new(&[a], 0.8), Group::new(&[b], 0.2)].map(|g| g.with(options));
            Box::new(Sgd::groups(groups).unwrap())
        };
        let mut scheduler = Scheduler::new(schedule(name), &mut *optimizer);
        for (t, (rates, momentum)) in
            case["rates"].as_array().unwrap().iter().zip(numbers(&case["momenta"])).enumerate()
        {
            let what = format!("{name}, step {t}");
            assert_close(&optimizer.rates(), &numbers(rates), 1e-12, &what);
            if name.starts_with("one-cycle") {
                let own: Vec<f64> = optimizer.momenta_mut().into_iter().map(|m| *m).collect();
                assert_close(&own, &[momentum, momentum], 1e-12, &what);
            }
            assert_eq!(scheduler.t(), t);
            scheduler.step(&mut *optimizer);
        }
        // A schedule is what its text says.
        let text = serde_json::to_string(&schedule(name)).unwrap();
        assert_eq!(serde_json::from_str::<Schedule>(&text).unwrap(), schedule(name), "{text}");
    }
}

#[test]
fn plateaus_follow_pytorch() {
    let golden = golden();
    let metrics = numbers(&golden["metrics"]);
    for case in golden["plateaus"].as_array().unwrap() {
        let options = &case["options"];
        let base = PlateauOptions::default();
        let threshold = number(options, "threshold", 1e-4);
        let absolute = options.get("threshold_mode").is_some();
        let mut plateau = Plateau::new(PlateauOptions {
            goal: if options.get("mode").is_some() { Goal::Highest } else { Goal::Lowest },
            factor: number(options, "factor", base.factor),
            patience: number(options, "patience", 10.0) as usize,
            threshold: if absolute { Threshold::Absolute(threshold) } else { Threshold::Relative(threshold) },
            cooldown: number(options, "cooldown", 0.0) as usize,
            minimum: number(options, "min_lr", 0.0),
            eps: number(options, "eps", base.eps),
        });
        let [a, b] = parameters(DType::F64);
        let mut sgd = Sgd::groups([Group::new(&[a], 0.8), Group::new(&[b], 0.2)]).unwrap();
        for ((i, &metric), rates) in metrics.iter().enumerate().zip(case["rates"].as_array().unwrap()) {
            plateau.step(metric, &mut sgd);
            assert_close(&sgd.rates(), &numbers(rates), 1e-12, &format!("{options}, measure {i}"));
        }
    }
}

#[test]
fn clipping_follows_pytorch() {
    for case in golden()["clips"].as_array().unwrap() {
        let parameters = parameters(DType::F64);
        for (group, parameter) in parameters.iter().enumerate() {
            set_gradient(parameter, 1, group);
        }
        match case["value"].as_f64() {
            Some(limit) => clip_grad_value(&parameters, limit).unwrap(),
            None => {
                let order = case["order"].as_str().unwrap().parse().unwrap();
                // A parameter given twice counts once.
                let twice = [&parameters[..], &parameters[..1]].concat();
                let total = clip_grad_norm(&twice, case["norm"].as_f64().unwrap(), order).unwrap();
                assert_close(&[total], &[case["total"].as_f64().unwrap()], 1e-12, "norm");
            }
        }
        let actual: Vec<f64> = parameters.iter().flat_map(|p| p.grad().unwrap().to_f64_vec()).collect();
        assert_close(&actual, &numbers(&case["gradients"]), 1e-12, &case.to_string());
    }
}

#[test]
fn nonsense_is_refused() {
    let [a, b] = parameters(DType::F32);
    let twice = Sgd::groups([Group::new(&[a.clone(), b.clone()], 0.1), Group::new(from_ref(&a), 0.2)]);
    assert!(twice.unwrap_err().to_string().contains("in two groups"));
    assert!(Sgd::groups([Group::new(from_ref(&a), f64::NAN)]).is_err());
    let nesterov = SgdOptions { nesterov: true, ..SgdOptions::default() };
    assert!(Sgd::with(from_ref(&a), 0.1, nesterov).unwrap_err().to_string().contains("Nesterov"));
    let beta = AdamOptions { beta1: 1.0, ..AdamOptions::default() };
    assert!(Adam::with(from_ref(&a), 0.1, beta).unwrap_err().to_string().contains("β₁"));
    let alpha = RmsPropOptions { alpha: -0.1, ..RmsPropOptions::default() };
    assert!(RmsProp::with(from_ref(&a), 0.1, alpha).is_err());
    let eps = AdagradOptions { eps: -1.0, ..AdagradOptions::default() };
    assert!(Adagrad::with(from_ref(&a), 0.1, eps).is_err());

    a.set_grad(Some(Tensor::from_vec(vec![1.0f32, f32::NAN, 2.0], [3]).unwrap())).unwrap();
    let error = clip_grad_norm(&[b, a.clone()], 1.0, 2.0).unwrap_err().to_string();
    assert!(error.contains("NaN") && error.contains("parameter 1"), "{error}");
    assert_eq!(a.grad().unwrap().to_vec::<f32>().unwrap()[2], 2.0, "unchanged");
    assert!(clip_grad_norm(from_ref(&a), 0.0, 2.0).is_err());
    assert!(clip_grad_value(&[a], -1.0).is_err());
}

#[test]
fn frozen_and_shared_parameters() {
    let [a, b] = parameters(DType::F32);
    // Shared weights come twice, and are updated once.
    let mut sgd = Sgd::new(&[a.clone(), b.clone(), a.clone()], 0.5);
    assert_eq!(sgd.parameters().len(), 2);
    let b = b.requires_grad_(false).unwrap();
    let before = b.to_vec::<f32>().unwrap();
    a.sum().unwrap().backward().unwrap();
    sgd.step().unwrap();
    assert_eq!(a.to_vec::<f32>().unwrap(), [0.0, -1.75, 1.5]);
    assert_eq!(b.to_vec::<f32>().unwrap(), before);
}
