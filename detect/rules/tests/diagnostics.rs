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

use detect_rules::{Code, SourceText, check, check_indicators};

#[test]
fn each_diagnostic_says_what_it_said() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    for code in Code::ALL.iter().filter(|code| **code != Code::Unreadable) {
        let name = code.as_str();
        let text = fs::read_to_string(folder.join(format!("{name}.in"))).expect(name);
        let diagnostics = if name < "R020" {
            let sources = [SourceText {
                path: format!("{name}.in"),
                text,
            }];
            check(&sources).diagnostics
        } else {
            check_indicators(&format!("{name}.in"), name, &text).1
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
