//! Tells cargo to embed again when a case is added, not only when one is changed.

#[expect(clippy::print_stdout, reason = "this is how a build script talks to cargo")]
fn main() {
    println!("cargo::rerun-if-changed=cases");
}
