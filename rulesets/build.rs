//! Tells cargo to embed again when a rule is added, not only when one is changed.

fn main() {
    for folder in ["sigma", "correlations", "indicators", "routing"] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
