//! A phrase, and the words of a text in which it is looked for: over the ends of lines, but not over those of sentences.

/// A word in lower case and where it is; the empty word is the end of a sentence or a part of one.
#[derive(Debug)]
pub struct Token {
    word: String,
    pub line: usize,
}

impl Token {
    pub fn word(&self) -> &str {
        &self.word
    }
}

/// What joins words instead of parting them: white space, names in code, marks of comments and Markdown.
fn joins(c: char) -> bool {
    c.is_whitespace() || "_-/#*!`\\".contains(c)
}

/// The words of a text, names in code taken apart.
pub fn tokens(text: &str) -> Vec<Token> {
    let mut found: Vec<Token> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line_number = number + 1;
        let mut word = String::new();
        let mut before = ' ';
        for c in line.chars().chain([' ']) {
            let camel = c.is_uppercase() && before.is_lowercase();
            before = c;
            if (c.is_alphanumeric() || c == '\'') && !camel {
                word.extend(c.to_lowercase());
                continue;
            }
            let whole = std::mem::take(&mut word);
            let whole = whole.trim_matches('\'');
            if !whole.is_empty() {
                found.push(Token { word: whole.to_owned(), line: line_number });
            }
            if camel {
                word.extend(c.to_lowercase());
            } else if !joins(c) {
                found.push(Token { word: String::new(), line: line_number });
            }
        }
    }
    found
}

enum Part {
    /// One of these words.
    One(Vec<String>),
    /// Any word but these.
    AnyBut(Vec<String>),
}

/// `a|b c`: "a c" or "b c". `*` is any word, `!a|b` any but these, and `~a|b` at the beginning: not after one of these.
pub struct Phrase {
    not_after: Vec<String>,
    parts: Vec<Part>,
}

impl Phrase {
    pub fn parse(pattern: &str) -> Self {
        let words = |text: &str| text.split('|').map(str::to_owned).collect::<Vec<_>>();
        let (mut not_after, mut parts) = (Vec::new(), Vec::new());
        for part in pattern.split(' ') {
            match part.split_at(1) {
                ("~", rest) => not_after = words(rest),
                ("!", rest) => parts.push(Part::AnyBut(words(rest))),
                ("*", _) => parts.push(Part::AnyBut(Vec::new())),
                _ => parts.push(Part::One(words(part))),
            }
        }
        Self { not_after, parts }
    }

    /// The words at this place that are the phrase.
    pub fn matches<'t>(&self, tokens: &'t [Token], at: usize) -> Option<&'t [Token]> {
        let found = tokens.get(at..at + self.parts.len())?;
        let fits = self.parts.iter().zip(found).all(|(part, token)| match part {
            Part::One(words) => words.contains(&token.word),
            Part::AnyBut(words) => !token.word.is_empty() && !words.contains(&token.word),
        });
        let before = at.checked_sub(1).map(|before| &tokens[before].word);
        (fits && !before.is_some_and(|word| self.not_after.contains(word))).then_some(found)
    }
}

#[test]
fn phrases_end_with_the_sentence_and_know_what_was_before() {
    let find = |pattern: &str, text: &str| {
        let (phrase, tokens) = (Phrase::parse(pattern), tokens(text));
        (0..tokens.len()).filter(|at| phrase.matches(&tokens, *at).is_some()).count()
    };
    assert_eq!(find("is|are no *", "it is no pattern; they are no. Names are no_patterns"), 2);
    assert_eq!(find("~there is no !longer", "there is no room, it is no longer here, it is no room"), 1);
    assert_eq!(find("build kit", "BuildKit and BuildKits"), 1);
    assert_eq!(find("his", "this, 'his' and his's"), 1);
}
