//! Counting, and telling it to people and programs.

use serde_json::{Value as Json, json};

/// What became of one operator's cases.
#[derive(Default)]
pub struct Tally {
    pub operator: String,
    pub cases: usize,
    pub passed: usize,
    pub refusals: usize,
    pub refused: usize,
    pub panics: usize,
    /// The cases that failed: their ids and what was wrong.
    pub failures: Vec<(i64, String)>,
}

impl Tally {
    pub fn whole(&self) -> bool {
        self.passed == self.cases && self.refused == self.refusals
    }

    /// With the first failure, or with each on a line of its own.
    fn line(&self, every: bool) -> String {
        let mut line = format!("{} {}/{}", self.operator, self.passed, self.cases);
        if self.refusals > 0 {
            line += &format!(", refused {}/{}", self.refused, self.refusals);
        }
        let shown = if every { self.failures.len() } else { 1 };
        for (id, what) in self.failures.iter().take(shown) {
            line += &format!("{}case {id}: {what}", if every { "\n    " } else { ": " });
        }
        line
    }
}

/// The whole run.
pub struct Report {
    pub operators: Vec<Tally>,
    /// Operators that must be whole, and are.
    pub required: Vec<String>,
    /// Operators that must be whole, and aren't.
    pub broken: Vec<String>,
    /// Operators that must be whole, but have no case here.
    pub no_cases: Vec<String>,
}

impl Report {
    pub fn new(operators: Vec<Tally>, listed: Vec<String>) -> Report {
        let (mut required, mut broken, mut no_cases) = (Vec::new(), Vec::new(), Vec::new());
        for name in listed {
            match operators.iter().find(|tally| tally.operator == name) {
                None => no_cases.push(name),
                Some(tally) if tally.whole() => required.push(name),
                Some(_) => broken.push(name),
            }
        }
        Report { operators, required, broken, no_cases }
    }

    fn sum(&self, of: impl Fn(&Tally) -> usize) -> usize {
        self.operators.iter().map(of).sum()
    }

    fn last_line(&self) -> String {
        format!(
            "conformance: {} of {} cases passed; {} of {} operators whole; {} of {} refusals refused; {} panics",
            self.sum(|t| t.passed),
            self.sum(|t| t.cases),
            self.sum(|t| usize::from(t.whole())),
            self.operators.len(),
            self.sum(|t| t.refused),
            self.sum(|t| t.refusals),
            self.sum(|t| t.panics),
        )
    }

    pub fn text(&self, every: bool) -> String {
        let mut lines: Vec<String> = self.operators.iter().map(|tally| tally.line(every)).collect();
        lines.extend(self.no_cases.iter().map(|name| format!("{name} no cases")));
        lines.extend(self.broken.iter().map(|name| format!("{name} must be whole and isn't")));
        lines.push(self.last_line());
        lines.join("\n")
    }

    pub fn json(&self) -> Json {
        let operators: Vec<Json> = self
            .operators
            .iter()
            .map(|t| {
                json!({
                    "operator": t.operator, "cases": t.cases, "passed": t.passed,
                    "refusals": t.refusals, "refused": t.refused, "panics": t.panics, "whole": t.whole(),
                    "first_failure": t.failures.first().map(|(id, what)| json!({"case": id, "what": what})),
                })
            })
            .collect();
        json!({
            "operators": operators,
            "required": {"whole": self.required, "broken": self.broken, "no_cases": self.no_cases},
            "cases": self.sum(|t| t.cases), "passed": self.sum(|t| t.passed),
            "whole": self.sum(|t| usize::from(t.whole())),
            "refusals": self.sum(|t| t.refusals), "refused": self.sum(|t| t.refused),
            "panics": self.sum(|t| t.panics),
        })
    }
}
