//! The program `jayflow`: reads its arguments, does one thing, ends with an exit code.

fn main() -> std::process::ExitCode {
    jayflow::cli::main()
}
