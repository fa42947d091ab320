//! Expressions from text.

use super::expr::{Expr, Function};
use crate::error::{Error, Result};

/// Parentheses may be nested so deep; more would need more stack than every thread has.
const DEEPEST: usize = 100;
/// So many operations may contain one another; `a + b + c` are two. Whatever walks an expression recurses so deep.
const TALLEST: usize = 1000;
/// Longer texts are refused.
const LONGEST: usize = 64 * 1024;

impl Expr {
    /// Parses an expression: numbers, names, `+ - * / ^`, parentheses, functions, and vectors `[1, 2, 3]`.
    ///
    /// `^` (or `**`) binds tightest and to the right; `-x^2` is `-(x^2)`. `×`, `·` and `−` are understood,
    /// and `ln` is `log`.
    ///
    /// # Errors
    /// The text isn't an expression; the error says where, and what was expected there.
    ///
    /// ```
    /// use chainrule::formula::Expr;
    /// assert_eq!(Expr::parse("1/(1+exp(-x))")?.to_string(), "1/(1 + exp(-x))");
    /// assert!(Expr::parse("2x").unwrap_err().to_string().contains("2*x"));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Expr> {
        if text.len() > LONGEST {
            return Err(Error::parse(format!(
                "the expression has {} characters, and at most {LONGEST} are read",
                text.len()
            )));
        }
        let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0, height: 0 };
        let expr = parser.sum()?;
        match parser.peek() {
            Token::End => Ok(expr),
            _ => Err(parser.unexpected("an operator or the end")),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Number(f64, String),
    Name(String),
    Sign(char),
    End,
}

/// The tokens of a text, each with its place in characters, from 1.
fn tokens(text: &str) -> Result<Vec<(usize, Token)>> {
    let characters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut i = 0;
    while let Some(&c) = characters.get(i) {
        let start = i;
        let token = match c {
            _ if c.is_whitespace() => {
                i += 1;
                continue;
            }
            '0'..='9' | '.' => {
                i += characters[i..].iter().take_while(|c| c.is_ascii_digit() || **c == '.').count();
                let exponent = characters[i..].iter().take(2).collect::<String>();
                let sign = usize::from(exponent.ends_with(['+', '-']));
                if exponent.starts_with(['e', 'E'])
                    && characters.get(i + 1 + sign).is_some_and(char::is_ascii_digit)
                {
                    i += 1 + sign;
                    i += characters[i..].iter().take_while(|c| c.is_ascii_digit()).count();
                }
                let text: String = characters[start..i].iter().collect();
                let number = text
                    .parse()
                    .map_err(|_| Error::parse(format!("column {}: {text} is not a number", start + 1)))?;
                Token::Number(number, text)
            }
            _ if c.is_alphabetic() || c == '_' => {
                i += characters[i..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count();
                Token::Name(characters[start..i].iter().collect())
            }
            '*' if characters.get(i + 1) == Some(&'*') => {
                i += 2;
                Token::Sign('^')
            }
            '+' | '-' | '*' | '/' | '^' | '(' | ')' | '[' | ']' | ',' | '×' | '·' | '−' => {
                i += 1;
                Token::Sign(match c {
                    '×' | '·' => '*',
                    '−' => '-',
                    other => other,
                })
            }
            _ => {
                return Err(Error::parse(format!(
                    "column {}: {c:?} has no meaning in an expression",
                    start + 1
                )));
            }
        };
        tokens.push((start + 1, token));
    }
    tokens.push((characters.len() + 1, Token::End));
    Ok(tokens)
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
    /// How many operations contain one another in what was read last.
    height: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.next].1
    }

    fn column(&self) -> usize {
        self.tokens[self.next].0
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        // The last token is the end, which is never passed.
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }

    fn accept(&mut self, sign: char) -> bool {
        let found = *self.peek() == Token::Sign(sign);
        if found {
            self.take();
        }
        found
    }

    fn expect(&mut self, sign: char) -> Result<()> {
        if self.accept(sign) { Ok(()) } else { Err(self.unexpected(&format!("`{sign}`"))) }
    }

    fn unexpected(&self, expected: &str) -> Error {
        let found = match self.peek() {
            Token::Number(_, text) => format!("the number {text}"),
            Token::Name(name) => format!("the name {name}"),
            Token::Sign(sign) => format!("`{sign}`"),
            Token::End => "the end".to_string(),
        };
        let error =
            Error::parse(format!("column {}: found {found} where {expected} was expected", self.column()));
        let before = self.next.checked_sub(1).map(|i| &self.tokens[i].1);
        match (before, self.peek()) {
            (Some(Token::Number(_, number)), Token::Name(name)) => {
                error.hint(format!("a product needs its sign: {number}*{name}"))
            }
            (
                Some(Token::Number(..) | Token::Name(_) | Token::Sign(')')),
                Token::Sign('(') | Token::Name(_) | Token::Number(..),
            ) => error.hint("a product needs its sign: *"),
            _ => error,
        }
    }

    /// Runs a rule one level deeper.
    fn nested(&mut self, rule: fn(&mut Parser) -> Result<Expr>) -> Result<Expr> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Error::parse(format!(
                "column {}: the expression is nested more than {DEEPEST} levels deep",
                self.column()
            )));
        }
        let result = rule(self);
        self.depth -= 1;
        result
    }

    /// An operation on what was read last and on something so high.
    fn above(&mut self, other: usize) -> Result<()> {
        self.height = self.height.max(other) + 1;
        if self.height <= TALLEST {
            return Ok(());
        }
        let error = Error::parse(format!(
            "column {}: more than {TALLEST} operations contain one another",
            self.column()
        ));
        Err(error.hint("sum([…]) adds up any number of terms, and dot([…], […]) of products"))
    }

    fn sum(&mut self) -> Result<Expr> {
        let mut sum = self.product()?;
        loop {
            let height = self.height;
            sum = if self.accept('+') {
                sum + self.product()?
            } else if self.accept('-') {
                sum - self.product()?
            } else {
                return Ok(sum);
            };
            self.above(height)?;
        }
    }

    fn product(&mut self) -> Result<Expr> {
        let mut product = self.signed()?;
        loop {
            let height = self.height;
            product = if self.accept('*') {
                product * self.signed()?
            } else if self.accept('/') {
                product / self.signed()?
            } else {
                return Ok(product);
            };
            self.above(height)?;
        }
    }

    fn signed(&mut self) -> Result<Expr> {
        if self.accept('-') {
            let negated = self.nested(Parser::signed)?;
            self.above(0)?;
            return Ok(-negated);
        }
        if self.accept('+') {
            return self.nested(Parser::signed);
        }
        let base = self.atom()?;
        if self.accept('^') {
            let height = self.height;
            let exponent = self.nested(Parser::signed)?;
            self.above(height)?;
            return Ok(base.pow(exponent));
        }
        Ok(base)
    }

    fn atom(&mut self) -> Result<Expr> {
        self.height = 0;
        match self.peek().clone() {
            Token::Number(x, _) => {
                self.take();
                Ok(Expr::number(x))
            }
            Token::Name(name) => {
                let column = self.column();
                self.take();
                if self.accept('(') { self.call(&name, column) } else { Ok(Expr::symbol(&name)) }
            }
            Token::Sign('(') => {
                self.take();
                let inner = self.nested(Parser::sum)?;
                self.expect(')')?;
                Ok(inner)
            }
            Token::Sign('[') => {
                self.take();
                let elements = self.list(']')?;
                if elements.is_empty() {
                    return Err(Error::parse(format!(
                        "column {}: a vector needs at least one element",
                        self.column()
                    )));
                }
                Ok(Expr::vector(elements))
            }
            _ => Err(self.unexpected("a number, a name or `(`")),
        }
    }

    fn list(&mut self, end: char) -> Result<Vec<Expr>> {
        let mut items = Vec::new();
        if self.accept(end) {
            return Ok(items);
        }
        let mut height = 0;
        loop {
            items.push(self.nested(Parser::sum)?);
            height = height.max(self.height);
            if self.accept(end) {
                self.above(height)?;
                return Ok(items);
            }
            if !self.accept(',') {
                return Err(self.unexpected(&format!("`,` or `{end}`")));
            }
        }
    }

    fn call(&mut self, name: &str, column: usize) -> Result<Expr> {
        let alias = match name {
            "ln" => "log",
            "maximum" => "max",
            "minimum" => "min",
            other => other,
        };
        let Some(function) = Function::ALL.into_iter().find(|f| f.name() == alias) else {
            let error = Error::parse(format!("column {column}: there is no function {name}"));
            let nearest = Function::ALL.into_iter().min_by_key(|f| distance(f.name(), name));
            return Err(match nearest.filter(|f| distance(f.name(), name) <= 2) {
                Some(f) => error.hint(format!("did you mean {}?", f.name())),
                None => {
                    error.hint(format!("the functions are {}", Function::ALL.map(Function::name).join(", ")))
                }
            });
        };
        let arguments = self.list(')')?;
        let (least, most) = function.arguments();
        if arguments.len() < least || arguments.len() > most {
            let takes = match (least, most) {
                (1, 1) => "1 argument".to_string(),
                _ if least == most => format!("{least} arguments"),
                _ => format!("{least} to {most} arguments"),
            };
            return Err(Error::parse(format!(
                "column {column}: {name} takes {takes}, and has {}",
                arguments.len()
            )));
        }
        Ok(Expr::call(function, arguments))
    }
}

/// How many letters must be changed, added or removed to get from one word to the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precedence_follows_mathematics() {
        for (text, expected) in [
            ("-x^2", "-x^2"),
            ("2^-1", "2^(-1)"),
            ("2^3^2", "2^3^2"),
            ("(2^3)^2", "(2^3)^2"),
            ("a-b-c", "a - b - c"),
            ("a-(b-c)", "a - (b - c)"),
            ("a/b/c", "a/b/c"),
            ("a/(b*c)", "a/(b*c)"),
            ("(x+y)·z", "(x + y)*z"),
            ("x**2 − 1e-3", "x^2 - 0.001"),
            ("max(a, b, .5)", "max(a, b, 0.5)"),
            ("dot([1,2], w)", "dot([1, 2], w)"),
            ("--x", "-(-x)"),
            ("x*0.000001", "x*1e-6"),
        ] {
            let expr = Expr::parse(text).unwrap();
            assert_eq!(expr.to_string(), expected, "{text}");
            assert_eq!(Expr::parse(&expr.to_string()).unwrap(), expr, "{text}");
        }
    }

    #[test]
    fn faults_say_where_and_what() {
        for (text, expected) in [
            ("", "column 1: found the end"),
            ("1 +", "column 4: found the end where a number, a name or `(` was expected"),
            ("2x", "2*x"),
            ("(x+y)(z)", "a product needs its sign"),
            ("(x", "`)`"),
            ("x)", "column 2"),
            ("foo(x)", "there is no function foo"),
            ("epx(x)", "did you mean exp?"),
            ("exp(x, y)", "takes 1 argument, and has 2"),
            ("max(x)", "takes 2 to 16"),
            ("1.2.3", "1.2.3 is not a number"),
            ("x $ y", "'$' has no meaning"),
            ("[]", "at least one element"),
        ] {
            let error = Expr::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
        assert!(Expr::parse(&"(".repeat(50_000)).unwrap_err().to_string().contains("levels deep"));
        assert!(Expr::parse(&"-".repeat(50_000)).is_err());
        assert!(Expr::parse(&"1+".repeat(50_000)).is_err());
        let sum = |terms: usize| Expr::parse(&vec!["x"; terms].join("+"));
        assert!(sum(1000).unwrap().simplify().to_string() == "1000*x");
        assert!(sum(1002).unwrap_err().to_string().contains("operations contain one another"));
    }
}
