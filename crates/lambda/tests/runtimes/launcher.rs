//! A program that is nothing but a launcher: what the server's own `main` does first.

fn main() -> std::process::ExitCode {
    cauce_lambda::launch(std::env::args().skip(1)).unwrap_or(std::process::ExitCode::FAILURE)
}
