//! The grammar of expressions, by recursive descent.

use super::error::{ExpressionError, ExpressionKind, Reason};
use super::syntax::{
    Action, Call, Operand, Section, Sections, Sign, Source, Test, WrittenName, WrittenPath, WrittenStep,
};
use super::token::{Spanned, Token, tokens};

/// The longest expression, in bytes of UTF-8 as it was sent. AWS: Developer Guide, *Service, account, and table quotas*.
pub const EXPRESSION_BYTES_MAX: usize = 4096;

/// The most operators and functions of an expression. AWS: ditto.
pub const OPERATORS_MAX: usize = 300;

/// How deep parentheses and functions may nest, so that no expression exhausts a stack. AWS tells no such limit; there it
/// follows from [`OPERATORS_MAX`], since every level needs an operator or function.
pub const DEPTH_MAX: usize = 100;

/// A parser of one expression.
pub(super) struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Spanned>,
    at: usize,
    /// In how many functions it is.
    depth: usize,
    operators: usize,
}

type Parsed<T> = Result<T, Reason>;

/// What stands where a condition or an operand may: which it is shows only after it.
struct Either<'a> {
    what: OperandOrTest<'a>,
    /// Whether it stands in parentheses of its own.
    enclosed: bool,
}

enum OperandOrTest<'a> {
    Operand(Operand<'a>),
    Test(Test<'a>),
}

/// What has been read of the inside of parentheses, or of the whole.
#[derive(Default)]
struct Level<'a> {
    /// Before an `OR`.
    any: Vec<Test<'a>>,
    /// Before an `AND`, after the last `OR`.
    all: Vec<Test<'a>>,
    /// `NOT`s before the current term.
    nots: usize,
}

impl Level<'_> {
    /// What stood between `AND`s is complete.
    fn end_all(&mut self) {
        let mut all = std::mem::take(&mut self.all);
        let one = if all.len() == 1 { all.pop() } else { None };
        self.any.push(one.unwrap_or(Test::All(all)));
    }
}

/// Parses a condition, filter or key condition.
pub(super) fn condition(kind: ExpressionKind, text: &str) -> Result<Test<'_>, ExpressionError> {
    whole(kind, text, |parser| {
        let either = parser.any()?;
        parser.test(either)
    })
}

/// Parses a projection.
pub(super) fn projection(text: &str) -> Result<Vec<WrittenPath<'_>>, ExpressionError> {
    whole(ExpressionKind::Projection, text, |parser| parser.list(Parser::path))
}

/// Parses an update.
pub(super) fn update(text: &str) -> Result<Sections<'_>, ExpressionError> {
    whole(ExpressionKind::Update, text, |parser| {
        let mut sections = vec![parser.section()?];
        while parser.peek() != Token::End {
            sections.push(parser.section()?);
        }
        Ok(sections)
    })
}

fn whole<'a, T>(
    kind: ExpressionKind,
    text: &'a str,
    parse: impl FnOnce(&mut Parser<'a>) -> Parsed<T>,
) -> Result<T, ExpressionError> {
    let invalid = |reason| ExpressionError::Invalid { kind, reason };
    if text.is_empty() {
        return Err(invalid(Reason::Empty));
    }
    if text.len() > EXPRESSION_BYTES_MAX {
        return Err(invalid(Reason::Size(text.len())));
    }
    let mut parser = Parser { text, tokens: tokens(text), at: 0, depth: 0, operators: 0 };
    let parsed = parse(&mut parser).map_err(invalid)?;
    parser.expect(Token::End).map_err(invalid)?;
    Ok(parsed)
}

impl<'a> Parser<'a> {
    fn spanned(&self, at: usize) -> Spanned {
        let end = Spanned { token: Token::End, start: self.text.len(), end: self.text.len() };
        self.tokens.get(at).copied().unwrap_or(end)
    }

    fn peek(&self) -> Token {
        self.spanned(self.at).token
    }

    fn word(&self, at: usize) -> &'a str {
        let Spanned { start, end, .. } = self.spanned(at);
        self.text.get(start..end).unwrap_or_default()
    }

    /// The error that the current token cannot stand here.
    fn syntax<T>(&self) -> Parsed<T> {
        let token = if self.peek() == Token::End { "<EOF>" } else { self.word(self.at) };
        let from = self.spanned(self.at.saturating_sub(1)).start;
        let to = self.spanned(self.at + 1).end;
        let near = self.text.get(from..to).unwrap_or_default();
        Err(Reason::Syntax { token: token.to_owned(), near: near.to_owned() })
    }

    /// Takes the current token if it is `token`.
    fn take(&mut self, token: Token) -> bool {
        let taken = self.peek() == token;
        self.at += usize::from(taken);
        taken
    }

    /// Takes the current token, which must be `token`, and returns its text.
    fn expect(&mut self, token: Token) -> Parsed<&'a str> {
        let at = self.at;
        if self.take(token) { Ok(self.word(at)) } else { self.syntax() }
    }

    /// Counts an operator or function. The first one too many ends it all: AWS tells of no more, however many there are.
    fn count_operator(&mut self) -> Parsed<()> {
        self.operators += 1;
        if self.operators > OPERATORS_MAX { Err(Reason::Operators(self.operators)) } else { Ok(()) }
    }

    /// One or more, with commas between them.
    fn list<T>(&mut self, one: impl Fn(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut list = vec![one(self)?];
        while self.take(Token::Comma) {
            list.push(one(self)?);
        }
        Ok(list)
    }

    /// A condition where one must stand: a function is one, any other operand lacks its operator.
    fn test(&self, either: Either<'a>) -> Parsed<Test<'a>> {
        match either.what {
            OperandOrTest::Test(test) => Ok(test),
            OperandOrTest::Operand(Operand::Call(call)) => Ok(Test::Call(call)),
            OperandOrTest::Operand(_) => self.syntax(),
        }
    }

    /// Conditions with `OR`, `AND` and `NOT`, in parentheses or not, or a lone operand.
    ///
    /// Parentheses are levels of a list instead of calls: in them, more of an expression may nest than a stack should hold.
    fn any(&mut self) -> Parsed<Either<'a>> {
        let mut levels = vec![Level::default()];
        loop {
            if self.take(Token::Not) {
                self.count_operator()?;
                if let Some(level) = levels.last_mut() {
                    level.nots += 1;
                }
            } else if self.take(Token::Open) {
                if levels.len() > DEPTH_MAX {
                    return Err(Reason::Depth(DEPTH_MAX));
                }
                levels.push(Level::default());
            } else {
                let operand = OperandOrTest::Operand(self.simple_operand()?);
                let term = Either { what: operand, enclosed: false };
                if let Some(whole) = self.after(term, &mut levels)? {
                    return Ok(whole);
                }
            }
        }
    }

    /// Goes on after a term: to the next one, or out of every level that ends here. Returns the whole at the end of the last.
    fn after(&mut self, mut term: Either<'a>, levels: &mut Vec<Level<'a>>) -> Parsed<Option<Either<'a>>> {
        loop {
            let Some(mut level) = levels.pop() else { return Ok(Some(term)) };
            term = self.comparison(term)?;
            if std::mem::take(&mut level.nots) % 2 == 1 {
                let test = Test::Not(Box::new(self.test(term)?));
                term = Either { what: OperandOrTest::Test(test), enclosed: false };
            }
            let operator = self.peek();
            if matches!(operator, Token::And | Token::Or) {
                level.all.push(self.test(term)?);
                if operator == Token::Or {
                    level.end_all();
                }
                self.at += 1;
                self.count_operator()?;
                levels.push(level);
                return Ok(None);
            }
            if !(level.any.is_empty() && level.all.is_empty()) {
                level.all.push(self.test(term)?);
                level.end_all();
                let test = if level.any.len() == 1 { level.any.pop() } else { None }.unwrap_or(Test::Any(level.any));
                term = Either { what: OperandOrTest::Test(test), enclosed: false };
            }
            if levels.is_empty() {
                return Ok(Some(term));
            }
            self.expect(Token::Close)?;
            if term.enclosed {
                return Err(Reason::RedundantParentheses);
            }
            term.enclosed = true;
        }
    }

    /// An operand and what it is compared with, or what stands there alone.
    fn comparison(&mut self, first: Either<'a>) -> Parsed<Either<'a>> {
        let operator = self.peek();
        let operand = match (first.what, operator) {
            (OperandOrTest::Operand(operand), Token::Compare(_) | Token::Between | Token::In) => operand,
            (what, _) => return Ok(Either { what, ..first }),
        };
        self.at += 1;
        self.count_operator()?;
        let test = match operator {
            Token::Compare(comparator) => Test::Compare(comparator, operand, self.operand()?),
            Token::Between => {
                let lower = self.operand()?;
                self.expect(Token::And)?;
                Test::Between(operand, lower, self.operand()?)
            }
            _ => {
                self.expect(Token::Open)?;
                let list = self.list(Parser::operand)?;
                self.expect(Token::Close)?;
                Test::In(operand, list)
            }
        };
        Ok(Either { what: OperandOrTest::Test(test), enclosed: false })
    }

    /// An operand, in parentheses or not.
    fn operand(&mut self) -> Parsed<Operand<'a>> {
        let mut enclosing = 0_usize;
        while self.take(Token::Open) {
            enclosing += 1;
        }
        let operand = self.simple_operand()?;
        for closed in 0..enclosing {
            self.expect(Token::Close)?;
            if closed > 0 {
                return Err(Reason::RedundantParentheses);
            }
        }
        Ok(operand)
    }

    fn simple_operand(&mut self) -> Parsed<Operand<'a>> {
        match self.peek() {
            Token::Value => Ok(Operand::Value(self.expect(Token::Value)?)),
            Token::Word if self.spanned(self.at + 1).token == Token::Open => {
                let name = self.expect(Token::Word)?;
                self.expect(Token::Open)?;
                self.count_operator()?;
                if self.depth == DEPTH_MAX {
                    return Err(Reason::Depth(DEPTH_MAX));
                }
                self.depth += 1;
                let mut operands = vec![self.operand()?];
                while self.take(Token::Comma) {
                    operands.push(self.operand()?);
                }
                self.depth -= 1;
                self.expect(Token::Close)?;
                Ok(Operand::Call(Call { name, operands }))
            }
            _ => self.path().map(Operand::Path),
        }
    }

    fn name(&mut self) -> Parsed<WrittenName<'a>> {
        match self.peek() {
            token @ (Token::Word | Token::Name) => self.expect(token),
            _ => self.syntax(),
        }
    }

    fn path(&mut self) -> Parsed<WrittenPath<'a>> {
        let first = self.name()?;
        let mut steps = Vec::new();
        loop {
            if self.take(Token::Dot) {
                steps.push(WrittenStep::Name(self.name()?));
            } else if self.take(Token::OpenIndex) {
                steps.push(WrittenStep::Index(self.expect(Token::Index)?));
                self.expect(Token::CloseIndex)?;
            } else {
                return Ok(WrittenPath { first, steps });
            }
        }
    }

    fn section(&mut self) -> Parsed<(Section, Vec<Action<'a>>)> {
        let section = match self.peek() {
            Token::Set => Section::Set,
            Token::Remove => Section::Remove,
            Token::Add => Section::Add,
            Token::Delete => Section::Delete,
            _ => return self.syntax(),
        };
        self.at += 1;
        let actions = self.list(|parser| {
            let path = parser.path()?;
            let source = match section {
                Section::Set => parser.assignment()?,
                Section::Remove => Source::Nothing,
                Section::Add | Section::Delete => Source::Operand(Operand::Value(parser.expect(Token::Value)?)),
            };
            Ok(Action { path, source })
        })?;
        Ok((section, actions))
    }

    fn assignment(&mut self) -> Parsed<Source<'a>> {
        self.expect(Token::Compare(super::token::Comparator::Equal))?;
        let first = self.operand()?;
        let sign = match self.peek() {
            Token::Plus => Sign::Plus,
            Token::Minus => Sign::Minus,
            _ => return Ok(Source::Operand(first)),
        };
        self.at += 1;
        self.count_operator()?;
        Ok(Source::Sum(first, sign, self.operand()?))
    }
}
