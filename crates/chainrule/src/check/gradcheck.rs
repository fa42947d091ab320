//! `gradcheck`: all gradients of a function against differences.

use std::fmt;

use super::gates::{GateFault, check_gates};
use super::numerical::{Derivative, QUICK_STEPS, quick_derivative, rounded_derivative, same_randomness};
use super::program::{Part, Program, Weights, weight};
use crate::array::{Array, DType, Shape, dispatch_float};
use crate::error::{Error, Result};
use crate::kernel::pool;
use crate::tensor::{Backward, Tensor, enable_grad, no_grad};

/// How gradients are checked; the default suits f64.
///
/// ```
/// use chainrule::check::GradCheck;
/// use chainrule::{DType, Tensor};
/// let x = Tensor::new([0.5, -1.5], DType::F64)?.requires_grad_(true)?;
/// let report = GradCheck::default().run(|x| x[0].tanh(), &[x])?;
/// assert!(report.passed(), "{report}");
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct GradCheck {
    /// Tolerated error, relative to the larger of the two gradients.
    pub relative: f64,
    /// Tolerated error relative to the largest gradient of the same tensor, for elements far smaller.
    pub relative_to_largest: f64,
    /// Check no more than this many elements of each tensor, evenly chosen (all where `None`).
    pub at_most: Option<usize>,
    /// Names for the inputs in the report; `input 0 f64[3]` and the like where there are none.
    pub names: Vec<String>,
}

impl Default for GradCheck {
    fn default() -> Self {
        GradCheck { relative: 1e-6, relative_to_largest: 1e-9, at_most: None, names: Vec::new() }
    }
}

/// Where a gradient and its difference part.
///
/// ```
/// use chainrule::check::gradcheck;
/// use chainrule::{DType, Tensor};
/// let x = Tensor::new([0.5, 2.0], DType::F64)?.requires_grad_(true)?;
/// let report = gradcheck(|x| x[0].log()?.sum(), &[x])?;
/// let worst = report.findings[0].worst.as_ref().unwrap();
/// assert!(worst.absolute <= worst.tolerance && worst.absolute < 1e-8);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// The element's index.
    pub index: Vec<usize>,
    /// The gradient by backpropagation.
    pub analytic: f64,
    /// The gradient by differences.
    pub numeric: f64,
    /// The estimated error of the difference.
    pub numeric_error: f64,
    /// `|analytic − numeric|`
    pub absolute: f64,
    /// The absolute error over the larger of the two.
    pub relative: f64,
    /// How large the absolute error was allowed to be.
    pub tolerance: f64,
}

/// What was found about one tensor.
///
/// ```
/// use chainrule::check::gradcheck;
/// use chainrule::{DType, Tensor};
/// let x = Tensor::new([-1.0, 0.0, 2.0], DType::F64)?.requires_grad_(true)?;
/// let finding = &gradcheck(|x| x[0].abs()?.sum(), &[x])?.findings[0];
/// assert_eq!((finding.name.as_str(), finding.wrong), ("input 0 f64[3]", 0));
/// assert_eq!(finding.kinks[0].0, [1]); // at 0 the derivative jumps from −1 to 1
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Finding {
    /// The tensor's name.
    pub name: String,
    /// How many elements were compared.
    pub compared: usize,
    /// How many elements disagree.
    pub wrong: usize,
    /// The element with the largest error relative to its tolerance.
    pub worst: Option<Mismatch>,
    /// Elements at which the function has a kink, with the derivatives to the left and right.
    pub kinks: Vec<(Vec<usize>, f64, f64)>,
    /// Elements at which differences are too rough to tell: where it jumps, or where rounding swallows the step.
    pub undecided: Vec<Vec<usize>>,
}

/// The result of a check.
///
/// ```
/// use chainrule::check::gradcheck;
/// use chainrule::{DType, Tensor};
/// let x = Tensor::new([0.5, 2.0], DType::F64)?.requires_grad_(true)?;
/// let report = gradcheck(|x| x[0].exp(), &[x])?;
/// assert!(report.to_string().starts_with("input 0 f64[2]: 2 of 2 gradients agree; worst at "));
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Report {
    /// One finding a tensor.
    pub findings: Vec<Finding>,
    /// The gates whose backward disagrees with their forward, where a gradient was wrong.
    pub faults: Vec<GateFault>,
}

impl Report {
    /// Whether every compared element agrees.
    ///
    /// ```
    /// use chainrule::check::gradcheck;
    /// use chainrule::{DType, Tensor};
    /// let x = Tensor::new(0.5, DType::F64)?.requires_grad_(true)?;
    /// assert!(gradcheck(|x| x[0].sin(), &[x.clone()])?.passed());
    /// // A wrong gradient: the detached factor counts as a constant.
    /// assert!(!gradcheck(|x| x[0].mul(&x[0].detach()), &[x])?.passed());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn passed(&self) -> bool {
        self.findings.iter().all(|finding| finding.wrong == 0)
    }

    /// The finding with the largest error relative to its tolerance.
    ///
    /// ```
    /// use chainrule::check::gradcheck;
    /// use chainrule::{DType, Tensor};
    /// let of = |x| Tensor::new(x, DType::F64)?.requires_grad_(true);
    /// let (a, b) = (of(0.5)?, of(2.0)?);
    /// let report = gradcheck(|x| x[0].sin()?.add(&x[1].mul(&x[1].detach())?), &[a, b])?;
    /// assert_eq!(report.worst().unwrap().name, "input 1 f64[]");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn worst(&self) -> Option<&Finding> {
        let severity = |finding: &Finding| finding.worst.as_ref().map_or(0.0, |m| m.absolute / m.tolerance);
        self.findings.iter().max_by(|a, b| severity(a).total_cmp(&severity(b)))
    }

    /// An error that says what is wrong, where something is.
    ///
    /// # Errors
    /// The check failed.
    ///
    /// ```
    /// use chainrule::check::gradcheck;
    /// use chainrule::{DType, Tensor};
    /// let x = Tensor::new(0.5, DType::F64)?.requires_grad_(true)?;
    /// let error = gradcheck(|x| x[0].mul(&x[0].detach()), &[x])?.into_result().unwrap_err();
    /// assert!(error.to_string().starts_with("input 0 f64[]: 1 of 1 gradients DISAGREE"));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn into_result(self) -> Result<Report> {
        if self.passed() { Ok(self) } else { Err(Error::autograd(self.to_string())) }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, finding) in self.findings.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            let verdict = if finding.wrong == 0 { "agree" } else { "DISAGREE" };
            write!(
                f,
                "{}: {} of {} gradients {verdict}",
                finding.name,
                if finding.wrong == 0 { finding.compared } else { finding.wrong },
                finding.compared
            )?;
            if let Some(m) = &finding.worst {
                write!(
                    f,
                    "; worst at {:?}: backpropagation {:.9e}, differences {:.9e} ± {:.1e}, error {:.1e} (relative {:.1e}, tolerated {:.1e})",
                    m.index, m.analytic, m.numeric, m.numeric_error, m.absolute, m.relative, m.tolerance
                )?;
            }
            if let Some((index, left, right)) = finding.kinks.first() {
                let side = |x: &f64| if x.is_nan() { "undefined".to_string() } else { format!("{x:.6}") };
                write!(
                    f,
                    "; {} left out at kinks, the first at {index:?}: the derivative is {} to the left and {} to the right",
                    finding.kinks.len(),
                    side(left),
                    side(right)
                )?;
            }
            if let Some(index) = finding.undecided.first() {
                write!(
                    f,
                    "; {} left out where differences are too rough to tell, the first at {index:?}",
                    finding.undecided.len()
                )?;
            }
        }
        for fault in &self.faults {
            write!(f, "\n{fault}")?;
        }
        Ok(())
    }
}

/// Compares all gradients of `function` with differences, with the default tolerances.
///
/// Every parameter that the result depends on is checked, also those that the function captured and that are
/// not among `inputs`. Random numbers are drawn again for each evaluation, so dropout can be checked.
///
/// Where gates alone decide the function's value, these run again for every element, on several threads, and give
/// the function's own bits. The function itself is called for every element where it reads values, draws random
/// numbers, or changes a tensor, and wherever a gradient seems wrong or the difference is rough.
///
/// # Errors
/// The function fails, nothing requires a gradient, or there is nothing to compare it with: its values are NaN or
/// infinite, change from call to call, or change their shape. A wrong gradient is no error but in the [`Report`].
///
/// ```
/// use chainrule::check::gradcheck;
/// use chainrule::{DType, Tensor};
/// let w = Tensor::new([[0.1, 0.2], [0.3, 0.4]], DType::F64)?.requires_grad_(true)?;
/// let report = gradcheck(|_| w.sigmoid()?.sum(), &[])?; // w is captured
/// assert_eq!(report.findings[0].compared, 4);
/// assert!(report.passed());
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn gradcheck(function: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor]) -> Result<Report> {
    GradCheck::default().run(function, inputs)
}

/// Compares the gradients of the gradient of `function` with differences.
///
/// The first derivative is checked first: a wrong one would otherwise be compared with itself.
///
/// # Errors
/// As [`gradcheck`].
///
/// ```
/// use chainrule::check::gradgradcheck;
/// use chainrule::{DType, Tensor};
/// let x = Tensor::new([0.5, 2.0], DType::F64)?.requires_grad_(true)?;
/// assert!(gradgradcheck(|x| x[0].pow(3.0), &[x])?.passed()); // 6x
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn gradgradcheck(function: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor]) -> Result<Report> {
    let check = GradCheck::default();
    let first = check.run(&function, inputs)?;
    if !first.passed() {
        return Ok(first);
    }
    // Differences are evaluated with gradients off; here what is evaluated is itself a gradient.
    let gradient = |inputs: &[Tensor]| -> Result<Tensor> {
        let y = weighted(&function(inputs)?)?;
        let wanted: Vec<&Tensor> = inputs.iter().filter(|x| x.requires_grad()).collect();
        let gradients = Backward::of(&[&y]).create_graph(true).allow_unused(true).gradients(&wanted)?;
        let mut total = y.mul(0.0)?;
        for gradient in gradients.into_iter().flatten() {
            total = total.add(&weighted(&gradient)?)?;
        }
        Ok(total)
    };
    check.run(|inputs| enable_grad(|| gradient(inputs)), inputs)
}

/// The sum of all elements with fixed, uneven weights: one number whose gradient sees every element.
pub(super) fn weighted(y: &Tensor) -> Result<Tensor> {
    let weights = (0..y.elements()).map(weight).collect();
    let weights =
        Array::from_vec(weights, y.shape())?.cast(if y.dtype().is_float() { y.dtype() } else { DType::F64 });
    y.mul(Tensor::from_array(weights))?.sum()
}

impl GradCheck {
    /// Compares all gradients of `function` with differences; see [`gradcheck`].
    ///
    /// # Errors
    /// As [`gradcheck`].
    ///
    /// ```
    /// use chainrule::check::GradCheck;
    /// use chainrule::{DType, Tensor};
    /// let w = Tensor::new([[0.1, 0.2], [0.3, 0.4]], DType::F64)?.requires_grad_(true)?;
    /// let check = GradCheck { at_most: Some(2), names: vec!["weight".into()], ..GradCheck::default() };
    /// let report = check.run(|w| w[0].tanh(), &[w])?;
    /// assert_eq!((report.findings[0].name.as_str(), report.findings[0].compared), ("weight", 2));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn run(&self, function: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor]) -> Result<Report> {
        self.run_telling(function, inputs, &mut |_| {})
    }

    /// [`GradCheck::run`], which tells what it found about each tensor as soon as it did: a check of a large network
    /// takes its time.
    ///
    /// # Errors
    /// As [`gradcheck`].
    ///
    /// ```
    /// use chainrule::check::GradCheck;
    /// use chainrule::{DType, Tensor};
    /// let of = |x| Tensor::new(x, DType::F64)?.requires_grad_(true);
    /// let mut told = Vec::new();
    /// let tell = &mut |finding: &chainrule::check::Finding| told.push(finding.name.clone());
    /// GradCheck::default().run_telling(|x| x[0].mul(&x[1]), &[of(0.5)?, of(2.0)?], tell)?;
    /// assert_eq!(told, ["input 0 f64[]", "input 1 f64[]"]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn run_telling(
        &self,
        function: impl Fn(&[Tensor]) -> Result<Tensor>,
        inputs: &[Tensor],
        tell: &mut dyn FnMut(&Finding),
    ) -> Result<Report> {
        // What has a history is given as a leaf: moving what it was computed from wouldn't move its value.
        let leaf = |x: &Tensor| match x.requires_grad() && !x.is_leaf() {
            true => Tensor::leaf(x.array(), true),
            false => x.clone(),
        };
        let inputs: &[Tensor] = &inputs.iter().map(leaf).collect::<Vec<_>>();
        let evaluate = || same_randomness(|| weighted(&function(inputs)?));
        let y = evaluate()?;
        if !y.requires_grad() && !inputs.iter().any(Tensor::requires_grad) {
            return Err(Error::autograd("nothing that the function depends on requires a gradient")
                .hint("switch gradients on for its inputs: requires_grad_(true)"));
        }
        let mut checked: Vec<Tensor> =
            inputs.iter().filter(|x| x.requires_grad() && x.is_leaf()).cloned().collect();
        for leaf in y.leaves() {
            if !checked.iter().any(|x| x.is(&leaf)) {
                checked.push(leaf);
            }
        }
        let wanted: Vec<&Tensor> = checked.iter().collect();
        let gradients = match y.requires_grad() {
            true => Backward::of(&[&y]).retain_graph(true).allow_unused(true).gradients(&wanted)?,
            false => vec![None; checked.len()],
        };
        let values = || same_randomness(|| no_grad(|| function(inputs)));
        let shape = comparable(&values()?, &values()?)?;
        let compared = Function { weights: Weights::new(shape), values: &values };
        let magnitude = compared.weights.magnitude(&values()?.array())?;
        let several = |x: &Tensor| x.dtype() == DType::F64 && x.elements() > 1;
        let program = match checked.iter().any(several) {
            true => Program::of(|| function(inputs), &checked),
            false => None,
        };
        let mut findings = Vec::new();
        for (i, (leaf, gradient)) in checked.iter().zip(gradients).enumerate() {
            let gradient = gradient.map_or_else(|| vec![0.0; leaf.elements()], |g| g.to_f64_vec());
            let name = self.name(i, leaf, inputs);
            let finding = self.compare(name, leaf, &gradient, &compared, program.as_ref(), magnitude)?;
            tell(&finding);
            findings.push(finding);
        }
        let mut report = Report { findings, faults: Vec::new() };
        if !report.passed() {
            report.faults = check_gates(evaluate)?.1;
        }
        Ok(report)
    }

    fn name(&self, i: usize, leaf: &Tensor, inputs: &[Tensor]) -> String {
        self.names.get(i).cloned().unwrap_or_else(|| match inputs.iter().position(|x| x.is(leaf)) {
            Some(place) => format!("input {place} {}", leaf.meta()),
            None => format!("captured parameter {}", leaf.meta()),
        })
    }

    /// Compares one leaf's gradient, moving each of its elements; the leaf has its old values afterwards.
    ///
    /// `magnitude` is the size of what the loss adds up: single precision rounds that.
    fn compare(
        &self,
        name: String,
        leaf: &Tensor,
        gradient: &[f64],
        function: &Function,
        program: Option<&Program>,
        magnitude: f64,
    ) -> Result<Finding> {
        let original = leaf.array();
        let values = original.to_f64_vec();
        let single = leaf.dtype() == DType::F32;
        let mut finding =
            Finding { name, compared: 0, wrong: 0, worst: None, kinks: Vec::new(), undecided: Vec::new() };
        let step = self.at_most.map_or(1, |most| values.len().div_ceil(most.max(1)).max(1));
        let largest = gradient.iter().fold(0.0f64, |m, g| m.max(g.abs()));
        let relative = if single { self.relative.max(2e-3) } else { self.relative };
        let floor = if single { self.relative_to_largest.max(1e-4) } else { self.relative_to_largest };
        let tolerance = |a: f64, n: f64, error: f64| {
            let scale = a.abs().max(n.abs());
            relative * scale + floor * largest.max(scale) + 4.0 * error + f64::MIN_POSITIVE
        };
        let set = |i: usize, x: f64| {
            no_grad(|| {
                leaf.modify(|array| {
                    dispatch_float!(original.dtype(), T => {
                        if let Some(values) = array.make_mut::<T>() {
                            values[i] = <T as crate::array::Element>::from_f64(x);
                        }
                    }, otherwise => {})
                })
            })
        };
        let here = function.loss()?;
        // Evenly chosen, and as far from the first element as from the last.
        let first = values.len().saturating_sub(1) % step / 2;
        let places: Vec<usize> = (first..values.len()).step_by(step).collect();
        // Two values close by suffice where they agree with the gradient, as they mostly do.
        let agreeing = |i: usize, moved: &mut dyn FnMut(f64) -> Result<f64>| {
            for step in QUICK_STEPS {
                // Beside a short step's rounding a small derivative drowns, and with it what is wrong.
                let tells = |q: &Derivative| step == QUICK_STEPS[0] || q.error <= 1e-3 * q.value.abs();
                let agrees = |q: &Derivative| {
                    (q.value - gradient[i]).abs() <= tolerance(gradient[i], q.value, q.error)
                };
                let quick = quick_derivative(&mut *moved, values[i], here, step)?;
                let quick = quick.filter(|q| tells(q) && agrees(q));
                if quick.is_some() {
                    return Ok(quick);
                }
            }
            Ok(None)
        };
        let part = match program {
            Some(program) if !single && places.len() > 1 => function.part(program, leaf, &original),
            _ => None,
        };
        let mut found: Vec<Option<Derivative>> = vec![None; places.len()];
        if let Some(part) = &part {
            let weights = &function.weights;
            pool::chunks_mut(&mut found, ELEMENTS, |start, found| {
                let mut run = part.run();
                for (found, &i) in found.iter_mut().zip(&places[start..]) {
                    let mut moved = |x| weights.sum(&run.at(i, x)?);
                    // What fails here is tried again by the function itself.
                    *found = no_grad(|| agreeing(i, &mut moved)).unwrap_or_default();
                    run.back(i, values[i]);
                }
            });
        }
        let measure = |i: usize| {
            let moved = |x: f64| {
                set(i, x)?;
                function.loss()
            };
            if !single
                && part.is_none()
                && let Some(quick) = agreeing(i, &mut { moved })?
            {
                return Ok(quick);
            }
            // Single precision rounds the values, and the place to which an element is moved.
            let rounding = match single {
                true => f64::from(f32::EPSILON) * (magnitude + (values[i] * gradient[i]).abs()),
                false => 0.0,
            };
            rounded_derivative(moved, values[i], rounding)
        };
        for (&i, found) in places.iter().zip(found) {
            let measured = match found {
                Some(found) => found,
                None => {
                    let measured = measure(i);
                    set(i, values[i])?;
                    match measured {
                        Ok(measured) => measured,
                        Err(error) => {
                            no_grad(|| leaf.modify(|old| *old = original.clone()))?;
                            return Err(error);
                        }
                    }
                }
            };
            let index = unravel(i, &leaf.shape());
            if let Some((left, right)) = measured.kink {
                finding.kinks.push((index, left, right));
                continue;
            }
            let (a, n) = (gradient[i], measured.value);
            // Where any gradient would do, none was compared.
            let scale = a.abs().max(n.abs()).max(1e-6 * largest.max(here.abs()));
            if a.is_finite() && 4.0 * measured.error > scale && measured.error > 0.0 {
                finding.undecided.push(index);
                continue;
            }
            finding.compared += 1;
            let tolerance = tolerance(a, n, measured.error);
            let absolute = (a - n).abs();
            // Unequal also where either is NaN.
            let agrees = absolute <= tolerance || (a.is_infinite() && a == n);
            finding.wrong += usize::from(!agrees);
            let worse = finding
                .worst
                .as_ref()
                .is_none_or(|w| absolute.is_nan() || absolute / tolerance > w.absolute / w.tolerance);
            if worse {
                let scale = a.abs().max(n.abs());
                let relative = if scale > 0.0 { absolute / scale } else { 0.0 };
                finding.worst = Some(Mismatch {
                    index,
                    analytic: a,
                    numeric: n,
                    numeric_error: measured.error,
                    absolute,
                    relative,
                    tolerance,
                });
            }
        }
        no_grad(|| leaf.modify(|old| *old = original.clone()))?;
        Ok(finding)
    }
}

/// Elements that one thread works on at a time.
const ELEMENTS: usize = 16;

/// The function that is checked, with gradients off, and what makes one number of its value.
struct Function<'a> {
    weights: Weights,
    values: &'a dyn Fn() -> Result<Tensor>,
}

impl Function<'_> {
    fn loss(&self) -> Result<f64> {
        self.weights.sum(&(self.values)()?.array())
    }

    /// The gates that depend on a leaf, where they give the function's bits also when all its elements move.
    fn part<'p>(&self, program: &'p Program, leaf: &Tensor, original: &Array) -> Option<Part<'p>> {
        let step =
            |(i, x): (usize, f64)| x + if i % 2 == 0 { 1e-5 } else { -1e-5 } * x.abs().clamp(1e-2, 1.0);
        let moved = original.to_f64_vec().into_iter().enumerate().map(step).collect();
        let moved = Array::from_vec(moved, *original.shape()).ok()?;
        let value = no_grad(|| leaf.modify(|old| *old = moved.clone())).and_then(|()| (self.values)());
        let restored = no_grad(|| leaf.modify(|old| *old = original.clone()));
        restored.ok().and(program.part(leaf, &moved, &value.ok()?.array()))
    }
}

/// The shape of a function's value, from two calls with the same inputs, where it can be differentiated.
fn comparable(first: &Tensor, second: &Tensor) -> Result<Shape> {
    let (first, second) = (first.array(), second.array());
    if let Some(place) = first.to_f64_vec().iter().position(|y| !y.is_finite()) {
        return Err(Error::autograd(format!(
            "the function's value is {} at {:?}: there is no derivative to compare with",
            first.to_f64_vec()[place],
            unravel(place, first.shape())
        ))
        .hint("choose inputs inside its domain; detect_anomaly names the gate that gave it"));
    }
    if !first.same_as(&second) {
        return Err(Error::autograd(
            "the function gives other values for the same inputs when it is called again",
        )
        .hint(
            "draw random numbers from the thread's generator, which a check draws again, and keep no state",
        ));
    }
    Ok(*first.shape())
}

/// The index of a row-major place.
fn unravel(mut place: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (i, &size) in index.iter_mut().zip(shape).rev() {
        *i = place % size.max(1);
        place /= size.max(1);
    }
    index
}
