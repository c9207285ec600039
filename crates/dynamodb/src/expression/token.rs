//! The words of an expression.

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// The name of an attribute or function.
    Word,
    /// `#placeholder`.
    Name,
    /// `:placeholder`.
    Value,
    /// The digits of a list index.
    Index,
    And,
    Or,
    Not,
    Between,
    In,
    Set,
    Remove,
    Add,
    Delete,
    Compare(Comparator),
    Open,
    Close,
    OpenIndex,
    CloseIndex,
    Comma,
    Dot,
    Plus,
    Minus,
    /// What cannot stand in an expression.
    Unknown,
    End,
}

/// How two operands are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparator {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparator {
    /// As it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Comparator::Equal => "=",
            Comparator::NotEqual => "<>",
            Comparator::Less => "<",
            Comparator::LessOrEqual => "<=",
            Comparator::Greater => ">",
            Comparator::GreaterOrEqual => ">=",
        }
    }
}

/// A word and where it stands, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spanned {
    pub(super) token: Token,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The words of `text`, the last of which is [`Token::End`].
pub(super) fn tokens(text: &str) -> Vec<Spanned> {
    let mut found = Vec::with_capacity(text.len() / 4 + 1);
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let (token, len) = first(rest);
        if let Some(token) = token {
            found.push(Spanned { token, start: at, end: at + len });
        }
        at += len;
    }
    found.push(Spanned { token: Token::End, start: text.len(), end: text.len() });
    found
}

/// The first word of a text and its length in bytes; none for a blank.
fn first(text: &str) -> (Option<Token>, usize) {
    let word = |from: usize| {
        let more = text.bytes().skip(from).take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        from + more
    };
    let of = |token: Token, len: usize| (Some(token), len);
    match text.as_bytes() {
        [b' ' | b'\t' | b'\n' | b'\r', ..] => (None, 1),
        [b'a'..=b'z' | b'A'..=b'Z', ..] => {
            let len = word(1);
            of(text.get(..len).map_or(Token::Word, keyword), len)
        }
        [b'#', ..] if word(1) > 1 => of(Token::Name, word(1)),
        [b':', ..] if word(1) > 1 => of(Token::Value, word(1)),
        // No index begins with zero but zero itself.
        [b'0', ..] => of(Token::Index, 1),
        [b'1'..=b'9', ..] => of(Token::Index, text.bytes().take_while(u8::is_ascii_digit).count()),
        [b'<', b'>', ..] => of(Token::Compare(Comparator::NotEqual), 2),
        [b'<', b'=', ..] => of(Token::Compare(Comparator::LessOrEqual), 2),
        [b'>', b'=', ..] => of(Token::Compare(Comparator::GreaterOrEqual), 2),
        [b'=', ..] => of(Token::Compare(Comparator::Equal), 1),
        [b'<', ..] => of(Token::Compare(Comparator::Less), 1),
        [b'>', ..] => of(Token::Compare(Comparator::Greater), 1),
        [b'(', ..] => of(Token::Open, 1),
        [b')', ..] => of(Token::Close, 1),
        [b'[', ..] => of(Token::OpenIndex, 1),
        [b']', ..] => of(Token::CloseIndex, 1),
        [b',', ..] => of(Token::Comma, 1),
        [b'.', ..] => of(Token::Dot, 1),
        [b'+', ..] => of(Token::Plus, 1),
        [b'-', ..] => of(Token::Minus, 1),
        _ => of(Token::Unknown, text.chars().next().map_or(1, char::len_utf8)),
    }
}

/// Keywords are keywords in every expression and in any case.
fn keyword(word: &str) -> Token {
    const KEYWORDS: [(&str, Token); 9] = [
        ("AND", Token::And),
        ("OR", Token::Or),
        ("NOT", Token::Not),
        ("BETWEEN", Token::Between),
        ("IN", Token::In),
        ("SET", Token::Set),
        ("REMOVE", Token::Remove),
        ("ADD", Token::Add),
        ("DELETE", Token::Delete),
    ];
    KEYWORDS.iter().find(|(keyword, _)| keyword.eq_ignore_ascii_case(word)).map_or(Token::Word, |(_, token)| *token)
}
