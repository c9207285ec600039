//! From text to nodes.

use super::ast::{Expression, Node, Reference, Step};
use super::{DEPTH_MAX, SyntaxError};

/// Directives of Velocity that API Gateway's templates do without.
const REFUSED: [&str; 5] = ["macro", "define", "include", "parse", "evaluate"];

/// A place in a template.
pub(super) struct Parser<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
    pub(super) depth: usize,
}

/// What ended a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Text,
    End,
    Else,
    ElseIf,
}

/// The nodes of a whole template, itself `depth` deep in another.
pub(super) fn template(text: &str, depth: usize) -> Result<Vec<Node>, SyntaxError> {
    let mut parser = Parser { text, at: 0, depth };
    let (nodes, ending) = parser.block()?;
    match ending {
        Ending::Text => Ok(nodes),
        Ending::End => Err(parser.error("#end without a directive that it ends")),
        Ending::Else | Ending::ElseIf => Err(parser.error("#else without #if")),
    }
}

pub(super) fn starts_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

fn in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

impl<'t> Parser<'t> {
    pub(super) fn error(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError { message: message.into(), at: self.at }
    }

    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or("")
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn peek_after(&self, bytes: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + bytes).copied()
    }

    /// Goes past `token` if it is next.
    pub(super) fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// Goes past what satisfies `good` and gives it.
    pub(super) fn take_while(&mut self, good: impl Fn(u8) -> bool) -> &'t str {
        let rest = self.rest();
        let len = rest.bytes().position(|b| !good(b)).unwrap_or(rest.len());
        self.at += len;
        rest.get(..len).unwrap_or("")
    }

    pub(super) fn spaces(&mut self) {
        self.take_while(|b| b.is_ascii_whitespace());
    }

    /// Runs `work` one level deeper.
    pub(super) fn deeper<T>(
        &mut self,
        work: impl FnOnce(&mut Parser<'t>) -> Result<T, SyntaxError>,
    ) -> Result<T, SyntaxError> {
        if self.depth >= DEPTH_MAX {
            return Err(self.error(format!("the limit of {DEPTH_MAX} levels of nesting is exceeded")));
        }
        self.depth += 1;
        let done = work(self);
        self.depth -= 1;
        done
    }

    fn block(&mut self) -> Result<(Vec<Node>, Ending), SyntaxError> {
        let mut nodes = Vec::new();
        let mut text = String::new();
        loop {
            text.push_str(self.take_while(|b| !matches!(b, b'$' | b'#' | b'\\')));
            match self.peek() {
                None => {
                    flush(&mut nodes, &mut text);
                    return Ok((nodes, Ending::Text));
                }
                Some(b'\\') => self.backslashes(&mut nodes, &mut text)?,
                Some(b'$') => match self.reference()? {
                    Some(reference) => {
                        flush(&mut nodes, &mut text);
                        nodes.push(Node::Reference(reference));
                    }
                    None => self.keep(&mut text),
                },
                _ => {
                    if let Some(ending) = self.hash(&mut nodes, &mut text)? {
                        flush(&mut nodes, &mut text);
                        return Ok((nodes, ending));
                    }
                }
            }
        }
    }

    /// Takes the next byte, which is ASCII, as text.
    fn keep(&mut self, text: &mut String) {
        if let Some(byte) = self.peek() {
            text.push(char::from(byte));
            self.at += 1;
        }
    }

    fn backslashes(&mut self, nodes: &mut Vec<Node>, text: &mut String) -> Result<(), SyntaxError> {
        let backslashes = self.take_while(|b| b == b'\\').len();
        if self.peek() == Some(b'$')
            && let Some(reference) = self.reference()?
        {
            flush(nodes, text);
            nodes.push(Node::Escaped { backslashes, reference });
            return Ok(());
        }
        // Before a directive, a backslash takes its meaning away, and two are one backslash.
        let directive = self.peek() == Some(b'#') && self.directive_name().is_some();
        let shown = if directive { backslashes / 2 } else { backslashes };
        text.extend(std::iter::repeat_n('\\', shown));
        if directive && !backslashes.is_multiple_of(2) {
            self.keep(text);
        }
        Ok(())
    }

    /// The name of the directive that begins here, and how long it is with `#` and braces.
    fn directive_name(&self) -> Option<(&'t str, usize)> {
        let rest = self.rest().strip_prefix('#')?;
        let (inner, braces) = match rest.strip_prefix('{') {
            Some(inner) => (inner, 2),
            None => (rest, 0),
        };
        let len = inner.bytes().position(|b| !b.is_ascii_alphabetic()).unwrap_or(inner.len());
        let name = inner.get(..len)?;
        if braces > 0 && inner.as_bytes().get(len) != Some(&b'}') {
            return None;
        }
        let known = ["set", "if", "elseif", "else", "end", "foreach", "break", "stop"];
        let known = known.contains(&name) || REFUSED.contains(&name);
        known.then_some((name, 1 + len + braces))
    }

    /// What begins with `#`; says if it ends the block.
    fn hash(&mut self, nodes: &mut Vec<Node>, text: &mut String) -> Result<Option<Ending>, SyntaxError> {
        if self.eat("##") {
            self.take_while(|b| b != b'\n');
            self.eat("\n");
            return Ok(None);
        }
        if self.eat("#*") {
            let end = self.rest().find("*#").ok_or_else(|| self.error("the comment has no end"))?;
            self.at += end + 2;
            return Ok(None);
        }
        if self.eat("#[[") {
            let end = self.rest().find("]]#").ok_or_else(|| self.error("#[[ has no ]]#"))?;
            text.push_str(self.rest().get(..end).unwrap_or(""));
            self.at += end + 3;
            return Ok(None);
        }
        let Some((name, len)) = self.directive_name() else {
            self.keep(text);
            return Ok(None);
        };
        if REFUSED.contains(&name) {
            return Err(self.error(format!("the directive #{name} is not supported")));
        }
        self.at += len;
        if name == "set" {
            // On a line of its own the directive takes its indentation along.
            let before = self.text.get(..self.at - len).unwrap_or("").trim_end_matches([' ', '\t']);
            if before.is_empty() || before.ends_with('\n') {
                text.truncate(text.trim_end_matches([' ', '\t']).len());
            }
        }
        flush(nodes, text);
        match name {
            "end" => return Ok(Some(self.ended(Ending::End))),
            "else" => return Ok(Some(self.ended(Ending::Else))),
            "elseif" => return Ok(Some(Ending::ElseIf)),
            "break" => nodes.push(Node::Break),
            "stop" => nodes.push(Node::Stop),
            "set" => nodes.push(self.set()?),
            "if" => nodes.push(self.deeper(Parser::conditional)?),
            _ => nodes.push(self.deeper(Parser::foreach)?),
        }
        Ok(None)
    }

    fn ended(&mut self, ending: Ending) -> Ending {
        self.line_end();
        ending
    }

    /// Goes past the end of a line that has nothing else on it: directives leave no empty lines.
    fn line_end(&mut self) {
        let from = self.at;
        self.take_while(|b| matches!(b, b' ' | b'\t'));
        if !self.eat("\r\n") && !self.eat("\n") && !self.eat("\r") {
            self.at = from;
        }
    }

    fn open(&mut self) -> Result<(), SyntaxError> {
        self.take_while(|b| matches!(b, b' ' | b'\t'));
        if !self.eat("(") {
            return Err(self.error("expected ("));
        }
        self.spaces();
        Ok(())
    }

    fn close(&mut self) -> Result<(), SyntaxError> {
        self.spaces();
        if !self.eat(")") {
            return Err(self.error("expected )"));
        }
        self.line_end();
        Ok(())
    }

    fn set(&mut self) -> Result<Node, SyntaxError> {
        self.open()?;
        let Some(target) = self.reference()? else {
            return Err(self.error("expected the variable that is to be set"));
        };
        if matches!(target.steps.last(), Some(Step::Method(..))) {
            return Err(self.error("what a method gives cannot be set"));
        }
        self.spaces();
        if !self.eat("=") {
            return Err(self.error("expected ="));
        }
        let value = self.expression()?;
        self.close()?;
        Ok(Node::Set { target, value })
    }

    fn condition(&mut self) -> Result<Expression, SyntaxError> {
        self.open()?;
        let condition = self.expression()?;
        self.close()?;
        Ok(condition)
    }

    fn conditional(&mut self) -> Result<Node, SyntaxError> {
        let mut branches = Vec::new();
        let mut ending = Ending::ElseIf;
        while ending == Ending::ElseIf {
            let condition = self.condition()?;
            let (body, ended_by) = self.block()?;
            branches.push((condition, body));
            ending = ended_by;
        }
        let mut otherwise = Vec::new();
        if ending == Ending::Else {
            (otherwise, ending) = self.block()?;
        }
        match ending {
            Ending::End => Ok(Node::If { branches, otherwise }),
            Ending::Text => Err(self.error("#if without #end")),
            Ending::Else | Ending::ElseIf => Err(self.error("a branch after #else")),
        }
    }

    fn foreach(&mut self) -> Result<Node, SyntaxError> {
        self.open()?;
        let variable = match self.reference()? {
            Some(reference) if reference.steps.is_empty() => reference.name,
            _ => return Err(self.error("expected the variable of the loop")),
        };
        self.spaces();
        if !self.eat("in") {
            return Err(self.error("expected in"));
        }
        let over = self.expression()?;
        self.close()?;
        match self.block()? {
            (body, Ending::End) => Ok(Node::Foreach { variable, over, body }),
            _ => Err(self.error("#foreach without #end")),
        }
    }

    /// The reference that begins here; `None`, and nothing is taken, if the dollar sign is just one.
    pub(super) fn reference(&mut self) -> Result<Option<Reference>, SyntaxError> {
        let from = self.at;
        if !self.eat("$") {
            return Ok(None);
        }
        let quiet = self.eat("!");
        let braces = self.eat("{");
        if !self.peek().is_some_and(starts_name) {
            self.at = from;
            return Ok(None);
        }
        let name = self.take_while(in_name);
        let steps = self.deeper(Parser::steps)?;
        if braces && !self.eat("}") {
            return Err(self.error("expected }"));
        }
        let source = self.text.get(from..self.at).unwrap_or("");
        Ok(Some(Reference { source: source.into(), name: name.into(), steps, quiet }))
    }

    fn steps(&mut self) -> Result<Vec<Step>, SyntaxError> {
        let mut steps = Vec::new();
        loop {
            match self.peek() {
                Some(b'.') if self.peek_after(1).is_some_and(starts_name) => {
                    self.at += 1;
                    let name: Box<str> = self.take_while(in_name).into();
                    steps.push(match self.eat("(") {
                        true => Step::Method(name, self.list(")")?),
                        false => Step::Property(name),
                    });
                }
                Some(b'[') => {
                    let from = self.at;
                    self.at += 1;
                    match self.index() {
                        Ok(index) => steps.push(Step::Index(index)),
                        // A bracket behind a reference may be text, as in `$name[first]`.
                        Err(_) => {
                            self.at = from;
                            return Ok(steps);
                        }
                    }
                }
                _ => return Ok(steps),
            }
        }
    }

    fn index(&mut self) -> Result<Expression, SyntaxError> {
        self.spaces();
        // Only what can be an index is tried: a text may be long and full of brackets.
        if !self.peek().is_some_and(|b| b.is_ascii_digit() || matches!(b, b'$' | b'\'' | b'"' | b'-')) {
            return Err(self.error("expected an index"));
        }
        let index = self.primary()?;
        self.spaces();
        match self.eat("]") {
            true => Ok(index),
            false => Err(self.error("expected ]")),
        }
    }
}

fn flush(nodes: &mut Vec<Node>, text: &mut String) {
    if !text.is_empty() {
        nodes.push(Node::Text(std::mem::take(text).into()));
    }
}
