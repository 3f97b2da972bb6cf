//! `$((…))`: whole numbers, variables, `+ - * / % ( )`, comparisons.

/// The value, or what ash says about the expression.
///
/// # Errors
/// A message: not an expression, or a division by zero.
pub(crate) fn evaluate(text: &str, variable: &dyn Fn(&str) -> String) -> Result<i64, String> {
    let mut reader = Reader {
        text: text.chars().collect(),
        at: 0,
        variable,
        depth: 0,
    };
    let value = reader.comparison()?;
    reader.blanks();
    if reader.at < reader.text.len() {
        Err("arithmetic syntax error".to_owned())
    } else {
        Ok(value)
    }
}

struct Reader<'a> {
    text: Vec<char>,
    at: usize,
    variable: &'a dyn Fn(&str) -> String,
    depth: usize,
}

impl Reader<'_> {
    fn blanks(&mut self) {
        while self.text.get(self.at).is_some_and(|c| c.is_whitespace()) {
            self.at += 1;
        }
    }

    fn eat(&mut self, sign: &str) -> bool {
        self.blanks();
        let found = sign
            .chars()
            .enumerate()
            .all(|(i, c)| self.text.get(self.at + i) == Some(&c));
        if found {
            self.at += sign.len();
        }
        found
    }

    fn comparison(&mut self) -> Result<i64, String> {
        self.depth += 1;
        if self.depth > 50 {
            return Err("arithmetic syntax error".to_owned());
        }
        let left = self.sum()?;
        for (sign, holds) in [
            ("<=", (|a, b| a <= b) as fn(i64, i64) -> bool),
            (">=", |a, b| a >= b),
            ("==", |a, b| a == b),
            ("!=", |a, b| a != b),
            ("<", |a, b| a < b),
            (">", |a, b| a > b),
        ] {
            if self.eat(sign) {
                let right = self.sum()?;
                return Ok(i64::from(holds(left, right)));
            }
        }
        Ok(left)
    }

    fn sum(&mut self) -> Result<i64, String> {
        let mut value = self.product()?;
        loop {
            if self.eat("+") {
                value = value.wrapping_add(self.product()?);
            } else if self.eat("-") {
                value = value.wrapping_sub(self.product()?);
            } else {
                return Ok(value);
            }
        }
    }

    fn product(&mut self) -> Result<i64, String> {
        let mut value = self.factor()?;
        loop {
            if self.eat("*") {
                value = value.wrapping_mul(self.factor()?);
                continue;
            }
            let divide = self.eat("/");
            if !divide && !self.eat("%") {
                return Ok(value);
            }
            let by = self.factor()?;
            if by == 0 {
                return Err("divide by zero".to_owned());
            }
            value = if divide {
                value.wrapping_div(by)
            } else {
                value.wrapping_rem(by)
            };
        }
    }

    fn factor(&mut self) -> Result<i64, String> {
        if self.eat("(") {
            let value = self.comparison()?;
            return if self.eat(")") {
                Ok(value)
            } else {
                Err("arithmetic syntax error".to_owned())
            };
        }
        if self.eat("-") {
            return Ok(self.factor()?.wrapping_neg());
        }
        self.blanks();
        let start = self.at;
        while self
            .text
            .get(self.at)
            .is_some_and(|c| c.is_ascii_alphanumeric() || *c == '_')
        {
            self.at += 1;
        }
        let token: String = self
            .text
            .get(start..self.at)
            .unwrap_or_default()
            .iter()
            .collect();
        if token.is_empty() {
            return Err("arithmetic syntax error".to_owned());
        }
        if token.starts_with(|c: char| c.is_ascii_digit()) {
            return token
                .parse()
                .map_err(|_| "arithmetic syntax error".to_owned());
        }
        let value = (self.variable)(&token);
        Ok(value.trim().parse().unwrap_or(0))
    }
}
