//! Every code has a golden pair under `tests/diagnostics/`: `R….in` and what is said of it, `R….out`.
//! With `VARDE_BLESS=1` the `.out` files are written anew; read them before you commit them.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "test support outside `#[test]` functions"
)]

use std::{fs, path::Path};

use detect_rules::{
    Code, LoadOptions, Pipeline, SourceText, check, check_indicators, check_with, read_options,
};

#[test]
fn each_diagnostic_says_what_it_said() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    for code in Code::ALL.iter().filter(|code| **code != Code::Unreadable) {
        let name = code.as_str();
        let text = fs::read_to_string(folder.join(format!("{name}.in"))).expect(name);
        let source = SourceText {
            path: format!("{name}.in"),
            text,
        };
        let diagnostics = match *code {
            Code::BadPipeline => Pipeline::read(&source).1,
            Code::RefusedByPipeline => {
                let path = folder.join(format!("{name}.pipeline.yml"));
                let options = LoadOptions {
                    pipelines: vec![path.display().to_string()],
                    ..LoadOptions::default()
                };
                let (with, unread) = read_options(&options);
                assert_eq!(unread, []);
                check_with(&[source], &with.expect("the pipeline can be used")).diagnostics
            }
            Code::EmptySelection | Code::BadAnomaly | Code::BrokenChain => check(&[source]).diagnostics,
            _ if name < "R020" => check(&[source]).diagnostics,
            _ => check_indicators(&source.path, name, &source.text).1,
        };
        assert!(
            diagnostics.iter().any(|found| found.code == *code),
            "{name}: {diagnostics:?}"
        );
        let said: String = diagnostics.iter().map(|found| format!("{found}\n\n")).collect();
        let golden = folder.join(format!("{name}.out"));
        if std::env::var_os("VARDE_BLESS").is_some() {
            fs::write(&golden, &said).expect("written");
        }
        assert_eq!(said, fs::read_to_string(&golden).expect(name), "{name}");
    }
}
