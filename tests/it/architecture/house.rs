//! All source files together: what each path means once `self`, `super`, imports and re-exports are followed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::lexer::{Function, Mention, Module, ModulePath, Source};

/// A file below `src`, and what was read in it.
pub struct File {
    /// As it is written in messages: `src/http/error.rs`.
    pub name: String,
    pub in_tests: bool,
    pub mentions: Vec<Mention>,
    pub functions: Vec<Function>,
}

/// The library and its `main.rs`.
pub struct House {
    pub files: Vec<File>,
    modules: BTreeMap<ModulePath, Module>,
}

impl House {
    /// The project's own, read once for all tests.
    pub fn of_the_project() -> &'static Self {
        static READ: OnceLock<House> = OnceLock::new();
        READ.get_or_init(Self::read)
    }

    fn read() -> Self {
        fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(dir).expect("src is readable") {
                let path = entry.expect("src is readable").path();
                if path.is_dir() {
                    walk(&path, found);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    found.push(path);
                }
            }
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut paths = Vec::new();
        walk(&root.join("src"), &mut paths);
        assert!(paths.len() > 50, "the sources were found");
        let name = |path: &Path| path.strip_prefix(root).expect("below the root").display().to_string();
        let read = |path: PathBuf| (name(&path), fs::read_to_string(&path).expect("sources are UTF-8"));
        Self::of(paths.into_iter().map(read).collect())
    }

    /// One made of these files: names such as `src/http/error.rs`, and texts.
    pub fn of(mut files: Vec<(String, String)>) -> Self {
        // Parents first: they say which modules are tests, and which are in files of another name.
        files.sort_by_key(|(name, _)| (module_of(name).len(), name.clone()));
        let mut house = Self { files: Vec::new(), modules: BTreeMap::new() };
        let mut elsewhere: BTreeMap<String, ModulePath> = BTreeMap::new();
        let mut tests: BTreeSet<ModulePath> = BTreeSet::new();
        let late = |elsewhere: &BTreeMap<String, ModulePath>, name: &str| elsewhere.get(name).cloned();
        let (ordinary, renamed): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|(name, _)| !name.ends_with("_tests.rs"));
        for (name, text) in ordinary.into_iter().chain(renamed) {
            let module = late(&elsewhere, &name).unwrap_or_else(|| module_of(&name));
            let in_tests = (0..=module.len()).any(|end| tests.contains(&module[..end]));
            let source = Source::read(&text, &module, in_tests);
            for (path, module) in source.modules {
                let directory = Path::new(&name).parent().expect("below src");
                for (child, file) in &module.elsewhere {
                    let file = directory.join(file).display().to_string();
                    elsewhere.insert(file, [path.as_slice(), std::slice::from_ref(child)].concat());
                }
                tests.extend(module.tests.iter().map(|child| [path.as_slice(), std::slice::from_ref(child)].concat()));
                house.modules.insert(path, module);
            }
            let (mentions, functions) = (source.mentions, source.functions);
            house.files.push(File { name, in_tests, mentions, functions });
        }
        house
    }

    /// What a path means, from the root of the library; `None` for what is not ours. With re-exports followed or not.
    pub fn meaning(&self, mention: &Mention, through_reexports: bool) -> Option<ModulePath> {
        let absolute = self.absolute(&mention.module, &mention.segments)?;
        Some(if through_reexports { self.follow(&absolute, 0) } else { absolute })
    }

    fn absolute(&self, module: &[String], segments: &[String]) -> Option<ModulePath> {
        let (first, rest) = segments.split_first()?;
        let from = |start: &[String]| Some([start, rest].concat());
        match first.as_str() {
            "crate" | "portcullis" => from(&[]),
            "self" => from(module),
            "super" => {
                let (_, parent) = module.split_last()?;
                let above = [&["self".to_owned()], rest].concat();
                self.absolute(parent, if rest.first().is_some_and(|word| word == "super") { rest } else { &above })
            }
            name => {
                let here = self.modules.get(module)?;
                let child = [module, std::slice::from_ref(first)].concat();
                match here.imports.get(name) {
                    // A `use` of an external crate begins with its name.
                    Some(target) if target != segments => {
                        [self.absolute(module, target)?.as_slice(), rest].concat().into()
                    }
                    _ if self.modules.contains_key(&child) => from(&child),
                    _ => None,
                }
            }
        }
    }

    /// Follows the names that a module in between imports from elsewhere.
    fn follow(&self, path: &[String], depth: usize) -> ModulePath {
        for end in 1..=path.len() {
            let (module, name, rest) = (&path[..end - 1], &path[end - 1], &path[end..]);
            let Some(here) = self.modules.get(module) else { continue };
            let named = here.imports.get(name).and_then(|target| self.absolute(module, target));
            let by_glob = || {
                let targets = here.globs.iter().filter_map(|target| self.absolute(module, target));
                let mut targets = targets.map(|target| self.follow(&target, depth + 1));
                targets
                    .find(|target| self.defines(target, name))
                    .map(|target| [target.as_slice(), std::slice::from_ref(name)].concat())
            };
            let target = if here.items.contains(name) { None } else { named.or_else(by_glob) };
            if let Some(target) = target
                && depth < 16
                && target != path[..end]
            {
                return self.follow(&[target.as_slice(), rest].concat(), depth + 1);
            }
        }
        path.to_vec()
    }

    fn defines(&self, module: &[String], name: &str) -> bool {
        self.modules.get(module).is_some_and(|here| here.items.contains(name) || here.imports.contains_key(name))
    }
}

/// `src/http/error.rs` is `http::error`, `src/http/mod.rs` is `http`.
fn module_of(name: &str) -> ModulePath {
    let inside = name.strip_prefix("src/").expect("below src").trim_end_matches(".rs");
    let mut path: ModulePath = inside.split('/').map(str::to_owned).collect();
    if matches!(path.last().map(String::as_str), Some("mod")) || path == ["lib"] {
        path.pop();
    }
    path
}

/// `src/http/error.rs` is part of the room `http`, `src/main.rs` of `main`.
pub fn room_of(name: &str) -> String {
    let inside = name.strip_prefix("src/").expect("below src");
    inside.split('/').next().expect("a file").trim_end_matches(".rs").to_owned()
}
