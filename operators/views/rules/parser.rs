//! Text to rules. The words are those of expressions, and so are the conditions.

use super::syntax::{Argument, Atom, Bound, Fold, Head, HeadColumn, HeadValue, Literal, Rule};
use crate::expressions::functions;
use crate::expressions::lexer::{Token, tokens};
use crate::expressions::syntax::{Expr, Kind, Span};
use crate::expressions::{Fault, parse as parse_expression};

/// Rules of one program at most.
pub const MAX_RULES: usize = 1000;

type Parsed<T> = Result<T, Box<Fault>>;

/// The rules of a text; `relations` are what it may read.
///
/// # Errors
/// The first thing that does not fit.
pub fn parse(text: &str, relations: &[&str]) -> Parsed<Vec<Rule>> {
    let tokens = tokens(text)?;
    let mut parser = Parser {
        text,
        known: relations.iter().map(|name| (*name).to_owned()).collect(),
        tokens,
        at: 0,
    };
    parser.find_heads();
    let mut rules = Vec::new();
    while parser.peek() != &Token::End {
        if rules.len() == MAX_RULES {
            let message = format!("a view has at most {MAX_RULES} rules");
            return Err(Box::new(Fault::new("E0003", parser.span(), message)));
        }
        rules.push(parser.rule()?);
    }
    if rules.is_empty() {
        let fault = Fault::new("E0103", Span::default(), "there is no rule");
        return Err(Box::new(fault.help(
            "write one, such as `pair(src, dst) :- flows(src_ip: src, dst_ip: dst).`",
        )));
    }
    Ok(rules)
}

struct Parser<'a> {
    text: &'a str,
    /// The names of relations: those that are read, and those that rules make.
    known: Vec<String>,
    tokens: Vec<(Token, Span)>,
    at: usize,
}

impl Parser<'_> {
    fn ahead(&self, by: usize) -> &Token {
        self.tokens
            .get(self.at + by)
            .map_or(&Token::End, |(token, _)| token)
    }

    fn peek(&self) -> &Token {
        self.ahead(0)
    }

    fn span(&self) -> Span {
        self.tokens
            .get(self.at)
            .map_or(Span::default(), |(_, at)| *at)
    }

    /// The place of the word before.
    fn before(&self) -> Span {
        let at = self.at.saturating_sub(1);
        self.tokens.get(at).map_or(Span::default(), |(_, at)| *at)
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(found) if *found == sign)
    }

    fn takes(&mut self, sign: &str) -> bool {
        let is = self.is_sign(sign);
        self.at += usize::from(is);
        is
    }

    fn wants(&mut self, sign: &str, what: &str) -> Parsed<()> {
        if self.takes(sign) {
            return Ok(());
        }
        Err(self.expected(&format!("`{sign}` {what}")))
    }

    fn expected(&self, what: &str) -> Box<Fault> {
        let found = match self.span().of(self.text) {
            "" => "the end".to_owned(),
            text => format!("`{text}`"),
        };
        let message = format!("expected {what}, found {found}");
        Box::new(Fault::new("E0101", self.span(), message))
    }

    fn name(&mut self, what: &str) -> Parsed<(String, Span)> {
        match self.peek() {
            Token::Name(name) => {
                let found = (name.clone(), self.span());
                self.at += 1;
                Ok(found)
            }
            _ => Err(self.expected(what)),
        }
    }

    /// Heads stand at the start and behind each point: they are known before any body is read.
    fn find_heads(&mut self) {
        let mut starts = true;
        for (at, (token, _)) in self.tokens.iter().enumerate() {
            if starts && let Token::Name(name) = token {
                self.known.push(name.clone());
            }
            starts = self.ends_rule(at);
        }
    }

    /// Whether the word there is a point that ends a rule: one with space or nothing behind it.
    fn ends_rule(&self, at: usize) -> bool {
        let (Some((Token::Sign("."), point)), Some((next, after))) =
            (self.tokens.get(at), self.tokens.get(at + 1))
        else {
            return false;
        };
        *next == Token::End || after.start > point.end
    }

    fn rule(&mut self) -> Parsed<Rule> {
        let start = self.span();
        let head = self.head()?;
        let mut body = Vec::new();
        if self.takes(":-") {
            loop {
                body.push(self.literal()?);
                if !self.takes(",") {
                    break;
                }
            }
        }
        let at = start.to(self.before());
        if !self.ends_rule(self.at) {
            return Err(self.expected("`,` or the `.` that ends the rule"));
        }
        self.at += 1;
        Ok(Rule { at, head, body })
    }

    fn head(&mut self) -> Parsed<Head> {
        let (name, at) = self.name("the name of a relation")?;
        self.wants("(", "and the columns of the relation")?;
        let mut columns = Vec::new();
        while !self.is_sign(")") {
            let (name, at) = self.name("the name of a column")?;
            let value = if self.takes(":") {
                match self.expression()? {
                    Expr {
                        kind: Kind::Call(name, name_at, mut arguments),
                        at,
                    } if Fold::named(&name).is_some() && arguments.len() < 2 => {
                        let fold = Fold::named(&name).unwrap_or(Fold::Count);
                        let argument = arguments.pop();
                        if argument
                            .as_ref()
                            .is_some_and(|one| one.name.is_some() || one.filter.is_some())
                        {
                            let message =
                                format!("`{name}` in a rule has neither `where` nor names");
                            let fault = Fault::new("E0214", at, message);
                            return Err(Box::new(fault.help("put the condition into the body")));
                        }
                        HeadValue::Over(fold, name_at, argument.and_then(|one| one.value))
                    }
                    expr => HeadValue::Each(expr),
                }
            } else {
                HeadValue::Each(Expr {
                    at,
                    kind: Kind::Name(name.clone()),
                })
            };
            columns.push(HeadColumn { name, at, value });
            if !self.takes(",") {
                break;
            }
        }
        self.wants(")", "behind the columns")?;
        Ok(Head { name, at, columns })
    }

    fn literal(&mut self) -> Parsed<Literal> {
        let start = self.span();
        let negated = matches!(self.peek(), Token::Name(word) if word == "not");
        let ahead = usize::from(negated);
        // `view.relation(`: nothing else in a body looks like this
        let is_dotted = matches!(self.ahead(ahead + 1), Token::Sign("."))
            && matches!(self.ahead(ahead + 2), Token::Name(_))
            && matches!(self.ahead(ahead + 3), Token::Sign("("));
        if let Token::Name(name) = self.ahead(ahead)
            && (is_dotted
                || matches!(self.ahead(ahead + 1), Token::Sign("("))
                    && (self.known.contains(name) || functions::find(name).is_none()))
        {
            self.at += ahead;
            return self.atom(start, negated).map(Literal::Atom);
        }
        if let (Token::Name(name), Token::Sign("=")) = (self.peek(), self.ahead(1)) {
            let name = name.clone();
            self.at += 2;
            return Ok(Literal::Let(name, start, self.expression()?));
        }
        self.expression().map(Literal::If)
    }

    fn atom(&mut self, start: Span, negated: bool) -> Parsed<Atom> {
        let (mut name, mut name_at) = self.name("the name of a relation")?;
        if self.takes(".") {
            let (relation, at) = self.name("the name of a relation")?;
            name = format!("{name}.{relation}");
            name_at = name_at.to(at);
        }
        self.wants("(", "and what is taken of the relation")?;
        let mut arguments = Vec::new();
        while !self.is_sign(")") {
            let (column, at) = self.name("the name of a column")?;
            let value = if !self.takes(":") {
                Bound::Variable(column.clone(), at)
            } else {
                match self.expression()? {
                    Expr {
                        kind: Kind::Name(name),
                        ..
                    } if name == "_" => Bound::Any,
                    Expr {
                        kind: Kind::Name(name),
                        at,
                    } => Bound::Variable(name, at),
                    expr => Bound::Constant(expr),
                }
            };
            arguments.push(Argument { column, at, value });
            if !self.takes(",") {
                break;
            }
        }
        self.wants(")", "behind what is taken of the relation")?;
        Ok(Atom {
            at: start.to(self.before()),
            negated,
            name,
            name_at,
            arguments,
        })
    }

    /// An expression up to a comma, a bracket that closes more than it opened, or the end of the rule.
    fn expression(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let (mut depth, first) = (0_usize, self.at);
        loop {
            match self.peek() {
                Token::End => break,
                Token::Sign("(" | "[") => depth += 1,
                Token::Sign(")" | "]") if depth > 0 => depth -= 1,
                Token::Sign(")" | "]") => break,
                Token::Sign("," | ":-") if depth == 0 => break,
                Token::Sign(".") if self.ends_rule(self.at) => break,
                _ => {}
            }
            self.at += 1;
        }
        if self.at == first {
            return Err(self.expected("a condition or a value"));
        }
        let end = self.before().end;
        // places in it are those in the whole text
        let mut text = " ".repeat(start.start);
        text.push_str(self.text.get(start.start..end).unwrap_or_default());
        parse_expression(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATERAL: &str = r#"
# who reached whom
hop(src, dst, t)  :- flows(src_ip: src, dst_ip: dst, dst_port: p, start_time: t, packets_bwd: b),
                     p in [22, 135, 445], b > 0, src != dst.
path(from, to, t: t2) :- path(from, to: mid, t: t1), hop(src: mid, dst: to, t: t2), t2 - t1 <= 1h.
spread(from, hosts: count(to)) :- path(from, to), not hop(src: from, dst: to, t: _), x = lower("a.b").
wide(from, hosts) :- spread(from, hosts), hosts >= 5.
"#;

    #[test]
    fn rules_are_read_with_their_places() {
        let rules = parse(LATERAL, &["flows"]).unwrap();
        assert_eq!(rules.len(), 4);
        assert_eq!(rules[0].body.len(), 4);
        assert!(
            matches!(&rules[0].body[1], Literal::If(expr) if expr.at.of(LATERAL) == "p in [22, 135, 445]")
        );
        let Literal::Atom(hop) = &rules[1].body[1] else {
            panic!("{:?}", rules[1].body);
        };
        assert_eq!(hop.at.of(LATERAL), "hop(src: mid, dst: to, t: t2)");
        assert!(
            matches!(&hop.arguments[0].value, Bound::Variable(name, at) if name == "mid" && at.of(LATERAL) == "mid")
        );
        assert!(
            matches!(&rules[1].body[2], Literal::If(expr) if expr.at.of(LATERAL) == "t2 - t1 <= 1h")
        );
        assert!(matches!(
            &rules[2].head.columns[1].value,
            HeadValue::Over(Fold::Count, _, Some(_))
        ));
        let Literal::Atom(hop) = &rules[2].body[1] else {
            panic!("{:?}", rules[2].body);
        };
        assert!(hop.negated && hop.arguments[2].value == Bound::Any);
        assert_eq!(hop.at.of(LATERAL), "not hop(src: from, dst: to, t: _)");
        assert!(matches!(&rules[2].body[2], Literal::Let(name, ..) if name == "x"));
        assert!(
            matches!(&rules[3].body[1], Literal::If(expr) if expr.at.of(LATERAL) == "hosts >= 5")
        );
    }

    #[test]
    fn what_does_not_fit_is_told() {
        for (text, at, message) in [
            (
                "a(x) :- flows(x)",
                "",
                "expected `,` or the `.` that ends the rule, found the end",
            ),
            (
                "a(x) :- .",
                ".",
                "expected a condition or a value, found `.`",
            ),
            (
                "a x :- flows(x).",
                "x",
                "expected `(` and the columns of the relation, found `x`",
            ),
            ("a(3).", "3", "expected the name of a column, found `3`"),
            ("", "", "there is no rule"),
        ] {
            let fault = parse(text, &["flows"]).unwrap_err();
            assert_eq!((fault.at.of(text), fault.message.as_str()), (at, message));
        }
    }
}
