//! Tells cargo to embed again when a rule is added, not only when one is changed.

#[expect(clippy::print_stdout, reason = "this is how a build script talks to cargo")]
fn main() {
    for folder in ["sigma", "correlations", "indicators", "routing"] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
