//! The canonical text of one observation (`[…]`) to a tree.
//!
//! The text comes from `rstix`, which has parsed and checked it, and is bounded by it in length and depth. Anything
//! unexpected gives nothing at all, and the pattern is then reported.

use std::{iter::Peekable, vec};

/// What an observation must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tree {
    /// One of them.
    Or(Vec<Tree>),
    /// All of them.
    And(Vec<Tree>),
    /// Something is not so, or only exists.
    Not,
    /// A comparison.
    Leaf(Comparison),
}

/// `path operator value`, or several values after `IN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Comparison {
    /// Without quotes, as in `file:hashes.SHA-256`.
    pub(super) path: String,
    pub(super) operator: String,
    pub(super) values: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Comma,
    /// A keyword, an operator, a path or a number.
    Word(String),
    /// A literal in quotes.
    Text(String),
}

/// Reads a canonical observation.
pub(super) fn read(canonical: &str) -> Option<Tree> {
    let inner = canonical.strip_prefix('[')?.strip_suffix(']')?;
    let mut tokens = tokens(inner)?.into_iter().peekable();
    let tree = or(&mut tokens)?;
    tokens.next().is_none().then_some(tree)
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' => {}
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            ',' => tokens.push(Token::Comma),
            '\'' => tokens.push(Token::Text(quoted(&mut letters)?)),
            first => {
                let mut word = String::from(first);
                while let Some(next) = letters.next_if(|next| !matches!(next, ' ' | '(' | ')' | ',')) {
                    if next == '\'' {
                        word.push_str(&quoted(&mut letters)?);
                    } else {
                        word.push(next);
                    }
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Some(tokens)
}

/// The rest of a text in quotes; a backslash makes the next character plain.
fn quoted(letters: &mut impl Iterator<Item = char>) -> Option<String> {
    let mut text = String::new();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => return Some(text),
            '\\' => text.push(letters.next()?),
            _ => text.push(letter),
        }
    }
    None
}

type Tokens = Peekable<vec::IntoIter<Token>>;

fn is_word(token: &Token, wanted: &str) -> bool {
    matches!(token, Token::Word(word) if word == wanted)
}

fn or(tokens: &mut Tokens) -> Option<Tree> {
    let mut parts = vec![and(tokens)?];
    while tokens.next_if(|token| is_word(token, "OR")).is_some() {
        parts.push(and(tokens)?);
    }
    if 1 < parts.len() {
        Some(Tree::Or(parts))
    } else {
        parts.pop()
    }
}

fn and(tokens: &mut Tokens) -> Option<Tree> {
    let mut parts = Vec::new();
    loop {
        // `a AND (b AND c)` is one conjunction.
        match one(tokens)? {
            Tree::And(more) => parts.extend(more),
            part => parts.push(part),
        }
        if tokens.next_if(|token| is_word(token, "AND")).is_none() {
            break;
        }
    }
    if 1 < parts.len() {
        Some(Tree::And(parts))
    } else {
        parts.pop()
    }
}

fn one(tokens: &mut Tokens) -> Option<Tree> {
    match tokens.next()? {
        Token::Open => {
            let tree = or(tokens)?;
            (tokens.next()? == Token::Close).then_some(tree)
        }
        Token::Word(word) if word == "NOT" => one(tokens).map(|_| Tree::Not),
        Token::Word(word) if word == "EXISTS" => {
            tokens.next()?;
            Some(Tree::Not)
        }
        Token::Word(path) => comparison(path, tokens),
        Token::Close | Token::Comma | Token::Text(_) => None,
    }
}

fn comparison(path: String, tokens: &mut Tokens) -> Option<Tree> {
    let is_negated = tokens.next_if(|token| is_word(token, "NOT")).is_some();
    let Token::Word(operator) = tokens.next()? else {
        return None;
    };
    let mut values = Vec::new();
    if tokens.next_if_eq(&Token::Open).is_some() {
        loop {
            match tokens.next()? {
                Token::Word(value) | Token::Text(value) => values.push(value),
                Token::Comma => {}
                Token::Close => break,
                Token::Open => return None,
            }
        }
    } else {
        match tokens.next()? {
            Token::Word(value) | Token::Text(value) => values.push(value),
            Token::Open | Token::Close | Token::Comma => return None,
        }
    }
    Some(if is_negated {
        Tree::Not
    } else {
        Tree::Leaf(Comparison {
            path,
            operator,
            values,
        })
    })
}
