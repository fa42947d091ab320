//! MathML: formulas as web pages set them, from the expression tree.

use super::expr::{Comparison, Expr, Function, Kind};

/// How tightly the outermost sign binds; what stands inside a tighter one needs parentheses.
const CHOICE: u8 = 0;
const SUM: u8 = 1;
const PRODUCT: u8 = 2;
/// The operand of a sign: a sum or another sign needs parentheses.
const SIGNED: u8 = 3;
/// The base of a power.
const ATOM: u8 = 5;

/// Constants of gates' formulas that people write with signs.
const CONSTANTS: &[(f64, &str)] = &[
    (std::f64::consts::PI, "<mi>π</mi>"),
    (std::f64::consts::FRAC_1_SQRT_2, "<mfrac><mn>1</mn><msqrt><mn>2</mn></msqrt></mfrac>"),
    (std::f64::consts::FRAC_2_SQRT_PI, "<mfrac><mn>2</mn><msqrt><mi>π</mi></msqrt></mfrac>"),
    (0.797_884_560_802_865_4, "<msqrt><mfrac><mn>2</mn><mi>π</mi></mfrac></msqrt>"),
    (0.398_942_280_401_432_7, "<mfrac><mn>1</mn><msqrt><mrow><mn>2</mn><mi>π</mi></mrow></msqrt></mfrac>"),
];

impl Expr {
    /// The expression as a MathML element, as HTML pages show it.
    ///
    /// Quotients become fractions, `exp` a power of e, `sqrt` a root, a choice a list of cases, and `x0` an
    /// x with an index.
    ///
    /// ```
    /// use chainrule::formula::Expr;
    /// let half = Expr::parse("x/2")?.to_mathml();
    /// assert_eq!(half, "<math><mfrac><mi>x</mi><mn>2</mn></mfrac></math>");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn to_mathml(&self) -> String {
        format!("<math>{}</math>", row(self, CHOICE))
    }
}

/// `left = right` as a MathML element.
pub(super) fn equation(left: &str, right: &Expr) -> String {
    format!("<math><mrow>{left}<mo>=</mo>{}</mrow></math>", row(right, CHOICE))
}

/// `∂y/∂input` as a fraction.
pub(super) fn partial(input: &str) -> String {
    let d = "<mo rspace=\"0\">∂</mo>";
    format!("<mfrac><mrow>{d}<mi>y</mi></mrow><mrow>{d}{}</mrow></mfrac>", name(input))
}

/// Text as a MathML element, where there is no expression.
pub(super) fn text(text: &str) -> String {
    format!("<math><mtext>{}</mtext></math>", escape(text))
}

/// A name: one letter in italics, a number at its end as an index.
pub(super) fn name(name: &str) -> String {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let index = &name[stem.len()..];
    let stem_text = escape(stem.trim_end_matches('_'));
    if index.is_empty() || stem_text.is_empty() {
        return format!("<mi>{}</mi>", escape(name));
    }
    format!("<msub><mi>{stem_text}</mi><mn>{index}</mn></msub>")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn precedence(expr: &Expr) -> u8 {
    match expr.kind() {
        Kind::Choose(..) => CHOICE,
        Kind::Add(..) | Kind::Sub(..) | Kind::Call(Function::Expm1, _) => SUM,
        Kind::Neg(_) | Kind::Mul(..) | Kind::Div(..) => PRODUCT,
        Kind::Number(x) if x.is_sign_negative() => PRODUCT,
        Kind::Number(x) if CONSTANTS.iter().any(|(c, _)| c == x) || (*x > 0.0 && *x < 1e-4) => PRODUCT,
        // A power of e; of a root or a function's value needs no parentheses.
        Kind::Pow(..) | Kind::Call(Function::Exp, _) => SIGNED + 1,
        _ => ATOM,
    }
}

/// The expression, in parentheses where it binds less tightly than `least`.
fn row(expr: &Expr, least: u8) -> String {
    let inner = bare(expr);
    if precedence(expr) < least { format!("<mrow><mo>(</mo>{inner}<mo>)</mo></mrow>") } else { inner }
}

fn is_signed(expr: &Expr) -> bool {
    matches!(expr.kind(), Kind::Neg(_)) || expr.as_number().is_some_and(|x| x.is_sign_negative())
}

/// The right operand of a sign: two signs in a row read badly.
fn right(expr: &Expr, least: u8) -> String {
    row(expr, if is_signed(expr) { SIGNED } else { least })
}

fn bare(expr: &Expr) -> String {
    match expr.kind() {
        Kind::Number(x) => number(*x),
        Kind::Symbol(symbol) => name(symbol),
        Kind::Neg(a) => {
            format!("<mrow><mo form=\"prefix\">−</mo>{}</mrow>", right(a, PRODUCT))
        }
        Kind::Add(a, b) => sum(a, "+", &right(b, SUM)),
        Kind::Sub(a, b) => sum(a, "−", &right(b, PRODUCT)),
        Kind::Mul(a, b) => {
            let sign = if written_together(a, b) { "<mo>&#x2062;</mo>" } else { "<mo>⋅</mo>" };
            format!("<mrow>{}{sign}{}</mrow>", row(a, PRODUCT), right(b, PRODUCT))
        }
        // The bar of a fraction groups by itself.
        Kind::Div(a, b) => format!("<mfrac>{}{}</mfrac>", row(a, CHOICE), row(b, CHOICE)),
        Kind::Pow(a, b) if b.as_number() == Some(0.5) => format!("<msqrt>{}</msqrt>", row(a, CHOICE)),
        Kind::Pow(a, b) => format!("<msup>{}{}</msup>", row(a, ATOM), row(b, CHOICE)),
        Kind::Call(function, arguments) => call(*function, arguments),
        Kind::Choose(comparison, parts) => {
            let [a, b, yes, no] = &**parts;
            // What changes stands in front of what it is compared with: x < 0 and not 0 > x.
            let turned = a.as_number().is_some() && b.as_number().is_none();
            let sign = match (comparison, turned) {
                (Comparison::Greater, false) => "&gt;",
                (Comparison::Greater, true) => "&lt;",
                (Comparison::GreaterOrEqual, false) => "≥",
                (Comparison::GreaterOrEqual, true) => "≤",
                (Comparison::Equal, _) => "=",
            };
            let (a, b) = if turned { (b, a) } else { (a, b) };
            let case = |value: &Expr, when: String| {
                format!("<mtr><mtd>{}</mtd><mtd>{when}</mtd></mtr>", row(value, CHOICE))
            };
            let condition =
                format!("<mrow><mtext>if&#xa0;</mtext>{}<mo>{sign}</mo>{}</mrow>", row(a, SUM), row(b, SUM));
            format!(
                "<mrow><mo>{{</mo><mtable columnalign=\"left\">{}{}</mtable></mrow>",
                case(yes, condition),
                case(no, "<mtext>otherwise</mtext>".to_string())
            )
        }
        Kind::Vector(elements) => format!("<mrow><mo>[</mo>{}<mo>]</mo></mrow>", list(elements)),
    }
}

fn sum(a: &Expr, sign: &str, b: &str) -> String {
    format!("<mrow>{}<mo>{sign}</mo>{b}</mrow>", row(a, SUM))
}

/// Whether a product needs no dot: a number before a name, a root or a power of one.
fn written_together(a: &Expr, b: &Expr) -> bool {
    let plain = |x: f64| x >= 0.0 && CONSTANTS.iter().all(|(c, _)| *c != x);
    let starts_with_letter = match b.kind() {
        Kind::Symbol(_) => true,
        Kind::Pow(base, _) => matches!(base.kind(), Kind::Symbol(_)),
        Kind::Call(function, _) => !matches!(function, Function::Abs | Function::Expm1),
        _ => false,
    };
    matches!(a.kind(), Kind::Number(x) if plain(*x)) && starts_with_letter
}

fn number(x: f64) -> String {
    if let Some((_, text)) = CONSTANTS.iter().find(|(c, _)| *c == x) {
        return (*text).to_string();
    }
    if x.is_sign_negative() && !x.is_nan() {
        return format!("<mrow><mo form=\"prefix\">−</mo>{}</mrow>", number(-x));
    }
    match x {
        _ if x.is_nan() => "<mi>NaN</mi>".to_string(),
        _ if x.is_infinite() => "<mi>∞</mi>".to_string(),
        _ if x != 0.0 && x < 1e-4 => {
            let text = format!("{x:e}");
            let (digits, exponent) = text.split_once("e-").unwrap_or((&text, "0"));
            let power =
                format!("<msup><mn>10</mn><mrow><mo form=\"prefix\">−</mo><mn>{exponent}</mn></mrow></msup>");
            if digits == "1" { power } else { format!("<mrow><mn>{digits}</mn><mo>⋅</mo>{power}</mrow>") }
        }
        _ => format!("<mn>{x}</mn>"),
    }
}

fn list(items: &[Expr]) -> String {
    items.iter().map(|item| row(item, CHOICE)).collect::<Vec<_>>().join("<mo>,</mo>")
}

fn call(function: Function, arguments: &[Expr]) -> String {
    let x = &arguments[0];
    let applied = |symbol: &str, inner: String| {
        format!("<mrow><mi>{symbol}</mi><mo>&#x2061;</mo><mrow><mo>(</mo>{inner}<mo>)</mo></mrow></mrow>")
    };
    let power_of_e = |x: &Expr| format!("<msup><mi>e</mi>{}</msup>", row(x, CHOICE));
    match function {
        Function::Exp => power_of_e(x),
        Function::Expm1 => format!("<mrow>{}<mo>−</mo><mn>1</mn></mrow>", power_of_e(x)),
        Function::Log => applied("ln", row(x, CHOICE)),
        Function::Log1p => applied("ln", format!("<mrow><mn>1</mn><mo>+</mo>{}</mrow>", right(x, SUM))),
        Function::Sqrt => format!("<msqrt>{}</msqrt>", row(x, CHOICE)),
        Function::Abs => {
            format!("<mrow><mo form=\"prefix\">|</mo>{}<mo form=\"postfix\">|</mo></mrow>", row(x, CHOICE))
        }
        Function::Sigmoid => applied("σ", row(x, CHOICE)),
        Function::Sign => applied("sgn", row(x, CHOICE)),
        other => applied(other.name(), list(arguments)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate;

    /// The MathML of an expression, with its marks left out: enough to see order and parentheses.
    fn plain(text: &str) -> String {
        let mathml = Expr::parse(text).unwrap().to_mathml();
        let mut out = String::new();
        let mut inside = false;
        for c in mathml.chars() {
            match c {
                '<' => inside = true,
                '>' => inside = false,
                _ if !inside => out.push(c),
                _ => {}
            }
        }
        out.replace("&#x2062;", "").replace("&#x2061;", "")
    }

    #[test]
    fn parentheses_stand_where_they_are_needed() {
        for (text, expected) in [
            ("(x+y)*z", "(x+y)⋅z"),
            ("x+y*z", "x+y⋅z"),
            ("a-(b-c)", "a−(b−c)"),
            ("a-b-c", "a−b−c"),
            ("a-(-b)", "a−(−b)"),
            ("2*x", "2x"),
            ("2*3", "2⋅3"),
            ("2*x^2", "2x2"),
            ("x*(-y)", "x⋅(−y)"),
            ("-(x+y)", "−(x+y)"),
            ("-x^2", "−x2"),
            ("(-x)^2", "(−x)2"),
            ("(x+y)^2", "(x+y)2"),
            ("exp(x)^2", "(ex)2"),
            ("(x^2)^3", "(x2)3"),
            ("log1p(-x)", "ln(1+(−x))"),
            ("3*expm1(x)", "3⋅(ex−1)"),
            ("abs(x-1)", "|x−1|"),
            ("max(x, 0)", "max(x,0)"),
            ("1e-12*x", "10−12x"),
            ("(2e-5)^2", "(2⋅10−5)2"),
        ] {
            assert_eq!(plain(text), expected, "{text}");
        }
    }

    #[test]
    fn fractions_roots_and_powers_are_elements() {
        for (text, expected) in [
            // A fraction groups by itself, above and below.
            (
                "(x+y)/(2*z)",
                "<mfrac><mrow><mi>x</mi><mo>+</mo><mi>y</mi></mrow>\
                 <mrow><mn>2</mn><mo>&#x2062;</mo><mi>z</mi></mrow></mfrac>",
            ),
            ("sqrt(x)", "<msqrt><mi>x</mi></msqrt>"),
            ("x^0.5", "<msqrt><mi>x</mi></msqrt>"),
            ("x0^2", "<msup><msub><mi>x</mi><mn>0</mn></msub><mn>2</mn></msup>"),
            ("exp(-x)", "<msup><mi>e</mi><mrow><mo form=\"prefix\">−</mo><mi>x</mi></mrow></msup>"),
            (
                "(x/y)^2",
                "<msup><mrow><mo>(</mo><mfrac><mi>x</mi><mi>y</mi></mfrac><mo>)</mo></mrow><mn>2</mn></msup>",
            ),
        ] {
            assert_eq!(Expr::parse(text).unwrap().to_mathml(), format!("<math>{expected}</math>"), "{text}");
        }
        let cases = Expr::parse("relu(x)").unwrap().derivative("x").unwrap().to_mathml();
        assert!(cases.contains("<mtable") && cases.contains("<mo>&gt;</mo>"), "{cases}");
    }

    /// Every element that is opened is closed in order, and nothing else is between `<` and `>`.
    fn well_formed(xml: &str) -> Result<(), String> {
        let mut open: Vec<&str> = Vec::new();
        for part in xml.split('<').skip(1) {
            let (tag, rest) = part.split_once('>').ok_or_else(|| format!("<{part} isn't closed"))?;
            if rest.contains('>') {
                return Err(format!("a bare > after <{tag}>"));
            }
            match tag.strip_prefix('/') {
                Some(name) if open.pop() == Some(name) => {}
                Some(name) => return Err(format!("</{name}> closes nothing")),
                None => open.push(tag.split(' ').next().unwrap_or(tag)),
            }
        }
        if open.is_empty() { Ok(()) } else { Err(format!("{open:?} stay open")) }
    }

    #[test]
    fn every_gate_has_well_formed_mathml() {
        for entry in gate::table() {
            for sample in (entry.samples)().iter().filter(|s| s.refused.is_none()) {
                let formula = sample.gate.formula();
                let gradients = (0..sample.inputs.len()).filter_map(|i| formula.gradient_to_mathml(i));
                for mathml in std::iter::once(formula.to_mathml()).chain(gradients) {
                    well_formed(&mathml).unwrap_or_else(|e| panic!("{}: {e}\n{mathml}", entry.name));
                }
            }
        }
        assert!(well_formed("<a><b></a></b>").is_err() && well_formed("<a>").is_err());
    }

    #[test]
    fn a_formula_has_an_equation_for_each_part() {
        let formula = gate::GateRef::from(gate::functions::Tanh).formula();
        assert!(formula.to_mathml().starts_with("<math><mrow><mi>y</mi><mo>=</mo>"));
        let gradient = formula.gradient_to_mathml(0).unwrap();
        assert!(gradient.contains("<mfrac><mrow><mo rspace=\"0\">∂</mo><mi>y</mi></mrow>"), "{gradient}");
        assert_eq!(formula.gradient_to_mathml(1), None);
        let rule = crate::Formula::rule("a < b", ["∂L/∂A = G"]);
        assert_eq!(rule.to_mathml(), "<math><mtext>a &lt; b</mtext></math>");
    }
}
