//! One source file, read as tokens: the modules in it, what each defines and imports, and every path that it mentions.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// A module's own path from the root of the library, without `crate`.
pub type ModulePath = Vec<String>;

/// A path as it is written, and where.
#[derive(Clone, Debug)]
pub struct Mention {
    pub module: ModulePath,
    pub segments: Vec<String>,
    pub line: usize,
    pub in_tests: bool,
}

/// A function's name and length, from `fn` to its closing brace.
#[derive(Debug)]
pub struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
}

/// What one module says about names.
#[derive(Debug, Default)]
pub struct Module {
    pub items: BTreeSet<String>,
    /// Each imported name, and the path as it is written.
    pub imports: BTreeMap<String, Vec<String>>,
    /// The paths before `::*`.
    pub globs: Vec<Vec<String>>,
    /// Modules in files of another name (`#[path]`): name, and the file next to this one.
    pub elsewhere: Vec<(String, String)>,
    /// Modules that are compiled for tests alone.
    pub tests: Vec<String>,
}

/// What one file holds.
#[derive(Debug, Default)]
pub struct Source {
    pub modules: BTreeMap<ModulePath, Module>,
    pub mentions: Vec<Mention>,
    pub functions: Vec<Function>,
}

impl Source {
    /// Reads the text of the file that is this module.
    pub fn read(text: &str, module: &ModulePath, in_tests: bool) -> Self {
        let tokens: TokenStream = text.parse().expect("the sources are Rust");
        let mut source = Self::default();
        source.modules.entry(module.clone()).or_default();
        source.walk(tokens, module, in_tests);
        source
    }

    fn walk(&mut self, tokens: TokenStream, module: &ModulePath, in_tests: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            at = match &tokens[at] {
                TokenTree::Ident(word) if word == "mod" => self.module(&tokens, at, module, in_tests),
                TokenTree::Ident(word) if word == "use" => self.import(&tokens, at, module, in_tests),
                TokenTree::Ident(word) if DEFINING.iter().any(|keyword| word == keyword) => {
                    self.item(&tokens, at, module);
                    at + 1
                }
                TokenTree::Ident(_) => self.path(&tokens, at, module, in_tests),
                TokenTree::Group(group) => {
                    self.walk(group.stream(), module, in_tests);
                    at + 1
                }
                TokenTree::Literal(literal) => {
                    self.path_in_text(literal, module, in_tests);
                    at + 1
                }
                TokenTree::Punct(_) => at + 1,
            };
        }
    }

    fn here(&mut self, module: &ModulePath) -> &mut Module {
        self.modules.entry(module.clone()).or_default()
    }

    /// `mod name;` or `mod name { ... }`.
    fn module(&mut self, tokens: &[TokenTree], at: usize, module: &ModulePath, in_tests: bool) -> usize {
        let Some(name) = ident(tokens.get(at + 1)) else { return at + 1 };
        let attributes = attributes_before(tokens, at);
        let for_tests = attributes.iter().any(|text| text.replace(' ', "") == "cfg(test)");
        let other_file = attributes.iter().find_map(|text| text.strip_prefix("path = \"")?.strip_suffix('"'));
        let here = self.here(module);
        here.items.insert(name.clone());
        if for_tests {
            here.tests.push(name.clone());
        }
        if let Some(file) = other_file {
            here.elsewhere.push((name.clone(), file.to_owned()));
        }
        if let Some(TokenTree::Group(body)) = tokens.get(at + 2) {
            let inner = [module.as_slice(), &[name]].concat();
            self.here(&inner);
            self.walk(body.stream(), &inner, in_tests || for_tests);
        }
        at + 3
    }

    /// `use a::{b, c as d, e::*};`
    fn import(&mut self, tokens: &[TokenTree], at: usize, module: &ModulePath, in_tests: bool) -> usize {
        let end = (at..tokens.len()).find(|next| is_punct(&tokens[*next], ';')).unwrap_or(tokens.len());
        // `impl Trait + use<'a>`
        if tokens.get(at + 1).is_none_or(|next| is_punct(next, '<')) {
            return at + 1;
        }
        let line = tokens[at].span().start().line;
        for leaf in use_tree(&tokens[at + 1..end], &[]) {
            let segments = leaf.path.clone();
            self.mentions.push(Mention { module: module.clone(), segments, line, in_tests });
            match leaf.name {
                Some(name) => drop(self.here(module).imports.insert(name, leaf.path)),
                None => self.here(module).globs.push(leaf.path),
            }
        }
        end + 1
    }

    fn item(&mut self, tokens: &[TokenTree], at: usize, module: &ModulePath) {
        let Some(name) = ident(tokens.get(at + 1)) else { return };
        if tokens[at].to_string() == "fn" {
            let body = tokens[at..].iter().take_while(|token| !is_punct(token, ';')).find_map(|token| match token {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
                _ => None,
            });
            if let Some(body) = body {
                let line = tokens[at].span().start().line;
                let lines = body.span_close().end().line - line + 1;
                self.functions.push(Function { name: name.clone(), line, lines });
            }
        }
        self.here(module).items.insert(name);
    }

    /// `a::b::c`, from its first word on.
    fn path(&mut self, tokens: &[TokenTree], at: usize, module: &ModulePath, in_tests: bool) -> usize {
        let mut segments = vec![ident(tokens.get(at)).expect("a word")];
        let mut next = at + 1;
        while is_colons(tokens, next) {
            let Some(word) = ident(tokens.get(next + 2)) else { break };
            segments.push(word);
            next += 3;
        }
        let rooted = at >= 2 && is_colons(tokens, at - 2);
        if segments.len() > 1 && !rooted {
            let line = tokens[at].span().start().line;
            self.mentions.push(Mention { module: module.clone(), segments, line, in_tests });
        }
        next
    }

    /// A path in a text, as attributes of serde name functions.
    fn path_in_text(&mut self, literal: &proc_macro2::Literal, module: &ModulePath, in_tests: bool) {
        let text = literal.to_string();
        let text = text.trim_matches('"');
        let is_path = (text.starts_with("crate::") || text.starts_with("super::"))
            && text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ':');
        if is_path {
            let segments = text.split("::").map(str::to_owned).collect();
            self.mentions.push(Mention {
                module: module.clone(),
                segments,
                line: literal.span().start().line,
                in_tests,
            });
        }
    }
}

/// Keywords after which a name is defined.
const DEFINING: &[&str] = &["struct", "enum", "trait", "type", "const", "static", "union", "fn"];

struct Leaf {
    /// `None`: everything (`*`).
    name: Option<String>,
    path: Vec<String>,
}

/// Every leaf of what stands after `use`.
fn use_tree(tokens: &[TokenTree], prefix: &[String]) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    for part in tokens.split(|token| is_punct(token, ',')) {
        let mut path = prefix.to_vec();
        let mut name = None;
        let mut at = 0;
        while at < part.len() {
            match &part[at] {
                TokenTree::Ident(word) if word == "as" => {
                    name = ident(part.get(at + 1));
                    at += 1;
                }
                TokenTree::Ident(word) if word == "self" && !path.is_empty() => {}
                TokenTree::Ident(word) => path.push(word.to_string()),
                TokenTree::Group(group) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    leaves.extend(use_tree(&inner, &path));
                    path.clear();
                }
                TokenTree::Punct(punct) if punct.as_char() == '*' => {
                    leaves.push(Leaf { name: None, path: std::mem::take(&mut path) });
                }
                _ => {}
            }
            at += 1;
        }
        if let Some(last) = path.last() {
            leaves.push(Leaf { name: Some(name.unwrap_or_else(|| last.clone())), path: path.clone() });
        }
    }
    leaves
}

/// The attributes in front of an item, each without its brackets.
fn attributes_before(tokens: &[TokenTree], at: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut index = at;
    while index > 0 {
        index -= 1;
        match &tokens[index] {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                found.push(group.stream().to_string());
            }
            // The visibility and the marks of attributes.
            TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => {}
            TokenTree::Ident(word) if word == "pub" => {}
            token if is_punct(token, '#') => {}
            _ => break,
        }
    }
    found
}

fn ident(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(word)) => Some(word.to_string()),
        _ => None,
    }
}

fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

fn is_colons(tokens: &[TokenTree], at: usize) -> bool {
    let joint = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.spacing() == Spacing::Joint);
    matches!((tokens.get(at), tokens.get(at + 1)), (Some(first), Some(second))
        if is_punct(first, ':') && joint(first) && is_punct(second, ':'))
}
