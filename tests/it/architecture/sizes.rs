//! What a reader can hold: the length of files and of functions.

use std::path::Path;

use super::house::House;
use super::lexer::Source;
use super::to_go;

/// The longest file, in lines.
const LONGEST_FILE: usize = 400;

/// The longest function, in lines, from `fn` to its closing brace.
const LONGEST_FUNCTION: usize = 40;

#[test]
fn no_file_outgrows_a_reader() {
    let mut long = Vec::new();
    let mut files = Vec::new();
    for folder in ["src", "tests"] {
        super::layout::walk(Path::new(folder), &mut files);
    }
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs")) {
        let text = std::fs::read_to_string(super::layout::root().join(file)).expect("sources are UTF-8");
        let lines = text.lines().count();
        if lines > LONGEST_FILE {
            long.push(format!("{}: {lines} lines", file.display()));
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn functions_fit_on_a_screen() {
    let house = House::of_the_project();
    let mut wrong = Vec::new();
    for file in &house.files {
        for function in file.functions.iter().filter(|function| function.lines > LONGEST_FUNCTION) {
            let mut known = to_go::LONG_FUNCTIONS.iter();
            let known = known.any(|(_, name, lines)| *name == function.name && function.lines <= *lines);
            if !known {
                wrong.push(format!("{}:{}: {} has {} lines", file.name, function.line, function.name, function.lines));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_exception_about_functions_is_left_over() {
    let house = House::of_the_project();
    let long = |path: &str, name: &str| {
        let mut functions = house.files.iter().filter(|file| file.name == path).flat_map(|file| &file.functions);
        functions.any(|function| function.name == name && function.lines > LONGEST_FUNCTION)
    };
    let gone: Vec<_> = to_go::LONG_FUNCTIONS.iter().filter(|(path, name, _)| !long(path, name)).collect();
    assert!(gone.is_empty(), "remove from to_go.rs: {gone:?}");
}

#[test]
fn a_function_is_measured_from_its_name_to_its_brace() {
    let text = "trait A { fn without(&self); }\nimpl A for B {\n    fn with(&self)\n    where\n        B: C,\n    {\n        body()\n    }\n}";
    let functions = Source::read(text, &vec!["a".to_owned()], false).functions;
    let measured: Vec<_> =
        functions.iter().map(|function| (function.name.as_str(), function.line, function.lines)).collect();
    assert_eq!(measured, [("with", 3, 6)]);
}
