//! What one client may cost.

/// Limits of the front door. Times are in milliseconds of real time: the peers are real.
#[derive(Clone, Debug)]
pub struct FrontOptions {
    /// The largest head of a request (request line and headers), in bytes; at least 8,192. Beyond it: 431.
    pub head_bytes_max: usize,
    /// The most headers of a request. Beyond it: 431.
    pub headers_max: usize,
    /// The largest body of an operation, in bytes, where neither service nor operation says otherwise. Beyond it: 413. Raw
    /// services like S3 stream, and limit themselves.
    pub body_bytes_max: usize,
    /// The most bytes that all bodies above [`BODY_BYTES_FREE`] being held may have together. A request that finds no room
    /// within [`FrontOptions::body_ms_max`] is answered 503.
    pub bodies_bytes_max: usize,
    /// The longest time from a request's first byte to the end of its head. Beyond it the connection is closed.
    pub head_ms_max: u64,
    /// The longest time a body may take to arrive. Beyond it: 408.
    pub body_ms_max: u64,
    /// The longest time a connection may be idle between requests, and a raw body or an answer may make no progress.
    pub idle_ms_max: u64,
    /// The most connections at once. Beyond it: 503, and closed.
    pub connections_max: usize,
    /// How long requests under way may go on after shutdown has begun; then they are cut off.
    pub drain_ms_max: u64,
}

/// Bodies up to this size, in bytes, are not counted against [`FrontOptions::bodies_bytes_max`]: the number of connections
/// bounds them.
pub const BODY_BYTES_FREE: usize = 64 * 1_024;

impl Default for FrontOptions {
    fn default() -> FrontOptions {
        FrontOptions {
            head_bytes_max: 64 * 1_024,
            headers_max: 128,
            body_bytes_max: 1_024 * 1_024,
            bodies_bytes_max: 512 * 1_024 * 1_024,
            head_ms_max: 15_000,
            body_ms_max: 60_000,
            // Longer than any SDK keeps an idle connection in its pool (botocore 12 s, Java 60 s), so that it is they who close.
            idle_ms_max: 90_000,
            connections_max: 4_096,
            drain_ms_max: 10_000,
        }
    }
}
