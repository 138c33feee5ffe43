//! Words to a tree: a Pratt parser, written by hand for the sake of its messages.

use super::fault::Fault;
use super::lexer::{Token, tokens};
use super::syntax::{Argument, Binary, Expr, Kind, Span, Unary};

/// Expressions inside each other at most.
pub const MAX_NESTING: usize = 64;
/// Operators of one expression at most, about: a chain of them makes a tree as deep as it is long.
const MAX_OPERATORS: usize = 1024;

/// Words that are no names.
pub const KEYWORDS: [&str; 17] = [
    "and", "or", "not", "in", "is", "null", "true", "false", "if", "then", "else", "case", "when",
    "end", "where", "pkt", "matches",
];

/// The tree of an expression.
///
/// # Errors
/// The first thing that does not fit.
pub fn parse(text: &str) -> Result<Expr, Box<Fault>> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
        depth: 0,
        operators: 0,
    };
    if parser.peek() == &Token::End {
        let fault = Fault::new("E0103", parser.span(), "the expression is empty");
        return Err(Box::new(
            fault.help("write a value, such as `bytes_fwd / duration`"),
        ));
    }
    let expr = parser.expr(0)?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => Err(parser.unexpected("an operator or the end")),
    }
}

/// How tight operators bind, loosest first; `not` stands between `and` and the comparisons.
const OR: u8 = 1;
const AND: u8 = 2;
const NOT: u8 = 3;
const COMPARE: u8 = 4;
const COALESCE: u8 = 5;
const SUM: u8 = 6;
const PRODUCT: u8 = 7;

fn binary(token: &Token) -> Option<(Binary, u8)> {
    let found = match token {
        Token::Name(word) => match word.as_str() {
            "or" => (Binary::Or, OR),
            "and" => (Binary::And, AND),
            _ => return None,
        },
        Token::Sign(sign) => match *sign {
            "==" => (Binary::Equal, COMPARE),
            "!=" => (Binary::NotEqual, COMPARE),
            "<" => (Binary::Less, COMPARE),
            "<=" => (Binary::LessEqual, COMPARE),
            ">" => (Binary::Greater, COMPARE),
            ">=" => (Binary::GreaterEqual, COMPARE),
            "??" => (Binary::Coalesce, COALESCE),
            "+" => (Binary::Add, SUM),
            "-" => (Binary::Subtract, SUM),
            "*" => (Binary::Multiply, PRODUCT),
            "/" => (Binary::Divide, PRODUCT),
            "//" => (Binary::DivideWhole, PRODUCT),
            "%" => (Binary::Remainder, PRODUCT),
            "&" => (Binary::BitAnd, PRODUCT),
            "|" => (Binary::BitOr, PRODUCT),
            "^" => (Binary::BitXor, PRODUCT),
            "<<" => (Binary::ShiftLeft, PRODUCT),
            ">>" => (Binary::ShiftRight, PRODUCT),
            _ => return None,
        },
        _ => return None,
    };
    Some(found)
}

struct Parser {
    tokens: Vec<(Token, Span)>,
    at: usize,
    depth: usize,
    /// Turns of the loop over operators so far.
    operators: usize,
}

type Parsed = Result<Expr, Box<Fault>>;

impl Parser {
    fn ahead(&self, by: usize) -> &Token {
        self.tokens
            .get(self.at + by)
            .map_or(&Token::End, |(token, _)| token)
    }

    fn peek(&self) -> &Token {
        self.ahead(0)
    }

    fn span(&self) -> Span {
        let last = || self.tokens.last().map_or(Span::default(), |(_, at)| *at);
        self.tokens.get(self.at).map_or_else(last, |(_, at)| *at)
    }

    /// Takes a word.
    fn next(&mut self) -> (Token, Span) {
        let taken = (self.peek().clone(), self.span());
        self.at += 1;
        taken
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Name(name) if name == word)
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(found) if *found == sign)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is = self.is_word(word);
        self.at += usize::from(is);
        is
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let is = self.is_sign(sign);
        self.at += usize::from(is);
        is
    }

    fn need_word(&mut self, word: &str) -> Result<Span, Box<Fault>> {
        let at = self.span();
        if self.take_word(word) {
            return Ok(at);
        }
        Err(self.unexpected(&format!("`{word}`")))
    }

    fn need_sign(&mut self, sign: &str) -> Result<Span, Box<Fault>> {
        let at = self.span();
        if self.take_sign(sign) {
            return Ok(at);
        }
        Err(self.unexpected(&format!("`{sign}`")))
    }

    fn unexpected(&self, expected: &str) -> Box<Fault> {
        let at = self.span();
        let found = match self.peek() {
            Token::End => {
                let message = format!("the expression ends where {expected} should follow");
                return Box::new(Fault::new("E0103", at, message));
            }
            Token::Sign("=") => {
                let fault = Fault::new("E0100", at, "`=` is not an operator");
                return Box::new(fault.help("compare with `==`").edit("=="));
            }
            Token::Sign("!") => {
                let fault = Fault::new("E0102", at, "`!` is not an operator");
                return Box::new(fault.help("write `not`").edit("not "));
            }
            Token::Sign(sign) => format!("`{sign}`"),
            Token::Name(name) => format!("`{name}`"),
            Token::Variable(name) => format!("`${name}`"),
            Token::Text(_) => "text".to_owned(),
            Token::Int(_) | Token::Float(_) => "a number".to_owned(),
            Token::Duration(_) => "a duration".to_owned(),
            Token::Ip(_) => "an address".to_owned(),
            Token::Net(_) => "a network".to_owned(),
        };
        let fault = Fault::new("E0102", at, format!("expected {expected}, found {found}"));
        Box::new(match self.peek() {
            Token::Sign("&" | "|") => fault.help("conditions are joined by `and` and `or`"),
            _ => fault,
        })
    }

    /// Counts a level of nesting.
    fn inside<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, Box<Fault>>,
    ) -> Result<T, Box<Fault>> {
        if self.depth >= MAX_NESTING {
            let message = format!("expressions are nested more than {MAX_NESTING} deep");
            let fault = Fault::new("E0106", self.span(), message);
            return Err(Box::new(
                fault.help("take it apart: columns of `derive` may use each other"),
            ));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// An expression whose operators bind at least as tight as `least`.
    fn expr(&mut self, least: u8) -> Parsed {
        self.inside(|parser| parser.chain(least))
    }

    fn chain(&mut self, least: u8) -> Parsed {
        let mut left = if self.is_word("not") {
            let at = self.span();
            if least > NOT {
                return Err(self.unexpected("a value; put `not ...` in brackets"));
            }
            self.at += 1;
            let inner = self.expr(NOT)?;
            let at = at.to(inner.at);
            let kind = Kind::Unary(Unary::Not, Box::new(inner));
            Expr { at, kind }
        } else {
            self.unary()?
        };
        loop {
            if self.operators > MAX_OPERATORS {
                let message = format!("more than {MAX_OPERATORS} operators");
                let fault = Fault::new("E0106", self.span(), message);
                return Err(Box::new(
                    fault.help("take it apart: columns of `derive` may use each other"),
                ));
            }
            if self.is_sign("=") {
                return Err(self.unexpected("an operator"));
            }
            self.operators += 1;
            if least <= COMPARE
                && let Some(next) = self.comparison(&left)?
            {
                left = next;
                self.no_chain(&left)?;
                continue;
            }
            let Some((operator, tight)) = binary(self.peek()) else {
                return Ok(left);
            };
            if tight < least {
                return Ok(left);
            }
            self.at += 1;
            let right = self.expr(tight + 1)?;
            let at = left.at.to(right.at);
            let kind = Kind::Binary(operator, Box::new(left), Box::new(right));
            left = Expr { at, kind };
            if operator.compares() {
                self.no_chain(&left)?;
            }
        }
    }

    /// Comparisons in a row have no meaning: the help is the form with `and`.
    fn no_chain(&self, left: &Expr) -> Result<(), Box<Fault>> {
        let again = binary(self.peek()).filter(|(operator, _)| operator.compares());
        if again.is_none() {
            return Ok(());
        }
        let mut fault = Fault::new("E0107", self.span(), "comparisons do not chain");
        if let Kind::Binary(first, _, _) = &left.kind {
            let second = again.map_or("<", |(operator, _)| operator.symbol());
            fault = fault.help(format!("write `a {} b and b {second} c`", first.symbol()));
        }
        Err(Box::new(fault))
    }

    /// `is null`, `in` and `matches`, which take something of their own on the right.
    fn comparison(&mut self, left: &Expr) -> Result<Option<Expr>, Box<Fault>> {
        let left = || Box::new(left.clone());
        if self.is_word("is") {
            self.at += 1;
            let not = self.take_word("not");
            let end = self.need_word("null")?;
            let left = left();
            let at = left.at.to(end);
            return Ok(Some(Expr {
                at,
                kind: Kind::IsNull(left, not),
            }));
        }
        let not = self.is_word("not");
        let word = match self.ahead(usize::from(not)) {
            Token::Name(word) if word == "in" || word == "matches" => word.clone(),
            _ if not => return Err(self.unexpected("an operator")),
            _ => return Ok(None),
        };
        self.at += 1 + usize::from(not);
        let right = self.range(COALESCE)?;
        let left = left();
        let at = left.at.to(right.at);
        let right = Box::new(right);
        let kind = match word.as_str() {
            "in" => Kind::In(left, right, not),
            _ => Kind::Matches(left, right, not),
        };
        Ok(Some(Expr { at, kind }))
    }

    /// A value, or a range of values.
    fn range(&mut self, least: u8) -> Parsed {
        let from = self.expr(least)?;
        if !self.take_sign("..") {
            return Ok(from);
        }
        let to = self.expr(COALESCE)?;
        let at = from.at.to(to.at);
        let kind = Kind::Range(Box::new(from), Box::new(to));
        Ok(Expr { at, kind })
    }

    fn unary(&mut self) -> Parsed {
        if self.is_sign("-") {
            let (_, at) = self.next();
            let inner = self.inside(Self::unary)?;
            let at = at.to(inner.at);
            let kind = match inner.kind {
                Kind::Int(value) => Kind::Int(-value),
                Kind::Float(value) => Kind::Float(-value),
                Kind::Duration(value) => Kind::Duration(-value),
                _ => Kind::Unary(Unary::Negate, Box::new(inner)),
            };
            return Ok(Expr { at, kind });
        }
        let mut value = self.atom()?;
        let mut length = 0;
        while self.is_sign("[") || self.is_sign(".") {
            length += 1;
            if length > MAX_NESTING {
                return Err(self.unexpected("an operator or the end"));
            }
            let (sign, _) = self.next();
            value = if sign == Token::Sign("[") {
                let index = self.expr(0)?;
                let end = self.need_sign("]")?;
                let at = value.at.to(end);
                let kind = Kind::Index(Box::new(value), Box::new(index));
                Expr { at, kind }
            } else {
                let (name, end) = self.name("the name of a part")?;
                let at = value.at.to(end);
                let kind = Kind::Part(Box::new(value), name, end);
                Expr { at, kind }
            };
        }
        Ok(value)
    }

    fn name(&mut self, what: &str) -> Result<(String, Span), Box<Fault>> {
        match self.peek() {
            Token::Name(_) => {}
            _ => return Err(self.unexpected(what)),
        }
        match self.next() {
            (Token::Name(name), at) => Ok((name, at)),
            _ => Err(self.unexpected(what)),
        }
    }

    fn atom(&mut self) -> Parsed {
        let at = self.span();
        let literal = match self.peek() {
            Token::Int(value) => Some(Kind::Int(*value)),
            Token::Float(value) => Some(Kind::Float(*value)),
            Token::Text(text) => Some(Kind::Text(text.clone())),
            Token::Duration(ns) => Some(Kind::Duration(*ns)),
            Token::Ip(address) => Some(Kind::Ip(*address)),
            Token::Net(net) => Some(Kind::Net(*net)),
            Token::Variable(name) => Some(Kind::Variable(name.clone())),
            _ => None,
        };
        if let Some(kind) = literal {
            self.at += 1;
            return Ok(Expr { at, kind });
        }
        match self.peek() {
            Token::Sign("(") => {
                self.at += 1;
                let mut inner = self.expr(0)?;
                let end = self.need_sign(")")?;
                inner.at = at.to(end);
                Ok(inner)
            }
            Token::Sign("[") => {
                self.at += 1;
                let mut items = Vec::new();
                while !self.is_sign("]") {
                    items.push(self.range(0)?);
                    if !self.take_sign(",") {
                        break;
                    }
                }
                let end = self.need_sign("]")?;
                let kind = Kind::List(items);
                Ok(Expr {
                    at: at.to(end),
                    kind,
                })
            }
            Token::Name(word) => {
                let word = word.clone();
                self.word(&word, at)
            }
            _ => Err(self.unexpected("a value")),
        }
    }

    fn word(&mut self, word: &str, at: Span) -> Parsed {
        let kind = match word {
            "null" => Kind::Null,
            "true" => Kind::Bool(true),
            "false" => Kind::Bool(false),
            "if" => return self.choice(at),
            "case" => return self.case(at),
            "pkt" => return self.packet(at),
            word if KEYWORDS.contains(&word) => return Err(self.unexpected("a value")),
            _ => {
                self.at += 1;
                if self.is_sign("(") {
                    return self.call(word.to_owned(), at);
                }
                let kind = Kind::Name(word.to_owned());
                return Ok(Expr { at, kind });
            }
        };
        self.at += 1;
        Ok(Expr { at, kind })
    }

    fn choice(&mut self, at: Span) -> Parsed {
        self.need_word("if")?;
        let test = self.expr(0)?;
        self.need_word("then")?;
        let then = self.expr(0)?;
        self.need_word("else")?;
        let other = self.expr(0)?;
        let at = at.to(other.at);
        let kind = Kind::If(Box::new(test), Box::new(then), Box::new(other));
        Ok(Expr { at, kind })
    }

    fn case(&mut self, at: Span) -> Parsed {
        self.need_word("case")?;
        let mut arms = Vec::new();
        while arms.is_empty() || self.is_word("when") {
            self.need_word("when")?;
            let test = self.expr(0)?;
            self.need_word("then")?;
            arms.push((test, self.expr(0)?));
        }
        self.need_word("else")?;
        let other = self.expr(0)?;
        let end = self.need_word("end")?;
        let kind = Kind::Case(arms, Box::new(other));
        Ok(Expr {
            at: at.to(end),
            kind,
        })
    }

    fn packet(&mut self, at: Span) -> Parsed {
        self.need_word("pkt")?;
        self.need_sign(".")?;
        let (mut name, mut end) = self.name("the name of a packet field")?;
        while self.is_sign(".") {
            self.at += 1;
            let (part, at) = self.name("the name of a packet field")?;
            name = format!("{name}.{part}");
            end = at;
        }
        let kind = Kind::Packet(name);
        Ok(Expr {
            at: at.to(end),
            kind,
        })
    }

    fn call(&mut self, name: String, at: Span) -> Parsed {
        self.need_sign("(")?;
        let mut arguments = Vec::new();
        while !self.is_sign(")") {
            arguments.push(self.argument()?);
            if !self.take_sign(",") {
                break;
            }
        }
        let end = self.need_sign(")")?;
        let kind = Kind::Call(name, at, arguments);
        Ok(Expr {
            at: at.to(end),
            kind,
        })
    }

    fn argument(&mut self) -> Result<Argument, Box<Fault>> {
        let is_named = matches!(
            (self.peek(), self.ahead(1)),
            (Token::Name(_), Token::Sign("="))
        );
        let name = match is_named {
            true => {
                let name = self.name("the name of an argument")?;
                self.need_sign("=")?;
                Some(name)
            }
            false => None,
        };
        let value = match self.is_word("where") {
            true => None,
            false => Some(self.expr(0)?),
        };
        let filter = match self.take_word("where") {
            true => Some(self.expr(0)?),
            false => None,
        };
        Ok(Argument {
            name,
            value,
            filter,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree with all brackets.
    fn shape(expr: &Expr) -> String {
        let parts: Vec<String> = expr.parts().into_iter().map(shape).collect();
        match &expr.kind {
            Kind::Int(value) => value.to_string(),
            Kind::Name(name) => name.clone(),
            Kind::Packet(name) => format!("pkt.{name}"),
            Kind::Binary(operator, ..) => {
                format!("({} {} {})", parts[0], operator.symbol(), parts[1])
            }
            Kind::Call(name, ..) => format!("{name}({})", parts.join(", ")),
            other => {
                let name = format!("{other:?}");
                let end = name.find('(').unwrap_or(name.len());
                format!("{}<{}>", &name[..end], parts.join(", "))
            }
        }
    }

    #[test]
    fn operators_bind_as_the_grammar_says() {
        for (text, expected) in [
            ("a or b and not c == d", "(a or (b and Unary<(c == d)>))"),
            ("a + b * c - d", "((a + (b * c)) - d)"),
            ("a ?? b + 1 > 2", "((a ?? (b + 1)) > 2)"),
            ("-a * b", "(Unary<a> * b)"),
            (
                "a in 1..5 and b not in [1, 2..3]",
                "(In<a, Range<1, 5>> and In<b, List<1, Range<2, 3>>>)",
            ),
            (
                "a is not null or b matches c",
                "(IsNull<a> or Matches<b, c>)",
            ),
            ("if a then b else c + 1", "If<a, b, (c + 1)>"),
            (
                "case when a then b when c then d else e end",
                "Case<a, b, c, d, e>",
            ),
            (
                "mean(pkt.tcp.window where pkt.fwd, ddof=1)",
                "mean(pkt.tcp.window, pkt.fwd, 1)",
            ),
            ("count(where pkt.fwd)", "count(pkt.fwd)"),
            ("x[1].y", "Part<Index<x, 1>>"),
        ] {
            let parsed = parse(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
            assert_eq!(shape(&parsed), expected, "{text}");
        }
    }

    #[test]
    fn faults_have_codes_and_places() {
        for (text, code, marked) in [
            ("a = 1", "E0100", "="),
            ("count(where pkt.len = 0)", "E0100", "="),
            ("a < b < c", "E0107", "<"),
            ("a +", "E0103", ""),
            ("", "E0103", ""),
            ("a b", "E0102", "b"),
            ("(a", "E0103", ""),
            ("a && b", "E0102", "&"),
            ("if a then b", "E0103", ""),
            ("then", "E0102", "then"),
            ("a + not b", "E0102", "not"),
        ] {
            let fault = parse(text).expect_err(text);
            assert_eq!(
                (fault.code, fault.at.of(text)),
                (code, marked),
                "{text}: {}",
                fault.message
            );
        }
        let deep = format!("{}a{}", "(".repeat(1000), ")".repeat(1000));
        assert_eq!(parse(&deep).expect_err("too deep").code, "E0106");
        let long = vec!["a"; 1000].join(" + ");
        assert_eq!(parse(&long).expect_err("too long").code, "E0106");
        assert_eq!(
            parse(&"-".repeat(1000)).expect_err("too deep").code,
            "E0106"
        );
    }
}
