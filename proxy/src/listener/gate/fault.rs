//! Why a message was refused: one closed list, the same word in log, metric and answer.
//!
//! Knows nothing of how an answer is written. Status codes are those of a request with the fault; an answer
//! of an upstream with a fault is always a 502 towards the client.

use thiserror::Error;

macro_rules! faults {
    ($($(#[$doc:meta])+ $name:ident $status:literal $word:literal $detail:literal)+) => {
        /// One reason to refuse a message.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
        #[error("{}", self.detail())]
        pub enum Fault {
            $($(#[$doc])+ $name,)+
        }

        impl Fault {
            /// Every fault there is, to register metrics with.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The status code to answer with.
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$name => $status,)+
                }
            }

            /// The reason in one word, for log lines and metric labels.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }

            /// The reason in one sentence, fit for the client.
            pub const fn detail(self) -> &'static str {
                match self {
                    $(Self::$name => $detail,)+
                }
            }
        }
    };
}

faults! {
    // the request line
    /// The first byte cannot begin a method: TLS on a plain port, or no HTTP at all (RFC 9112 §3).
    NotHttp 400 "not_http" "This port speaks plain HTTP/1.1, and what arrived is not HTTP."
    /// More than one empty line in front of a request (RFC 9112 §2.2).
    EmptyLines 400 "empty_lines" "More than one empty line stands in front of the request."
    /// Not three parts with one space between them (RFC 9112 §3).
    RequestLine 400 "request_line" "The request line is not a method, a target and a version with single spaces."
    /// A method with bytes other than upper-case letters, digits, `-` and `_`, or too long (RFC 9110 §9.1).
    Method 400 "method" "The method is malformed. Methods are case-sensitive."
    /// CONNECT and TRACE (RFC 9110 §9.3.6, §9.3.8).
    MethodNotAllowed 405 "method_not_allowed" "This method is not supported here."
    /// A target of no allowed form, or with bytes that are none of a URI (RFC 9112 §3.2).
    Target 400 "target" "The request target is malformed."
    /// A target over the limit (RFC 9110 §15.5.15).
    TargetTooLong 414 "target_too_long" "The request target is too long."
    /// The authority of an absolute target is not the Host (RFC 9112 §3.2.2).
    AuthorityMismatch 400 "authority_mismatch" "The authority of the target and the Host field differ."
    /// Something else than `HTTP/d.d` (RFC 9112 §2.3).
    Version 400 "version" "The HTTP version is malformed."
    /// A well-formed version that is not 1.1 (RFC 9110 §15.6.6).
    VersionUnsupported 505 "version_unsupported" "This version of HTTP is not supported on this connection."
    /// HTTP/1.0, which the configuration refuses.
    Http10 505 "http10" "HTTP/1.0 is not supported. Use HTTP/1.1 or HTTP/2."
    /// The HTTP/2 preface on a connection that speaks HTTP/1 (RFC 9113 §3.4).
    Http2Preface 505 "http2_preface" "HTTP/2 is not spoken on this connection."

    // lines and fields
    /// LF without CR (RFC 9112 §2.2).
    BareLf 400 "bare_lf" "A line ends with LF alone. Lines end with CRLF."
    /// CR without LF (RFC 9112 §2.2).
    BareCr 400 "bare_cr" "A CR stands alone. Lines end with CRLF."
    /// A line that begins with a blank: obs-fold (RFC 9112 §5.2), or a blank in front of the first field
    /// (§2.2).
    FoldedLine 400 "folded_line" "A header line begins with white space. Folded lines are not allowed."
    /// A blank between a name and its colon (RFC 9112 §5.1).
    SpaceBeforeColon 400 "space_before_colon" "White space stands between a field name and its colon."
    /// A field line without a colon (RFC 9112 §5).
    ColonMissing 400 "colon_missing" "A header line has no colon."
    /// An empty name, or one that is no token (RFC 9110 §5.1).
    FieldName 400 "field_name" "A field name is malformed."
    /// A control byte in a value (RFC 9110 §5.5).
    FieldValue 400 "field_value" "A field value holds a control character."
    /// A name with `_`, which applications take for `-`.
    Underscore 400 "underscore" "A field name holds an underscore."
    /// `Connection` names a field that only we set: the next hop would delete it.
    ConnectionOption 400 "connection_option" "Connection names a field that no client may speak of."
    /// A name over the limit (RFC 6585 §5).
    FieldNameTooLong 431 "field_name_too_long" "A field name is too long."
    /// More fields than the limit (RFC 6585 §5).
    TooManyFields 431 "too_many_fields" "The message has too many header fields."
    /// A head over the limit (RFC 6585 §5).
    HeadTooLarge 431 "head_too_large" "The header fields are too large."
    /// The head did not arrive in time (RFC 9110 §15.5.9). Found by the clock outside, not by the gate.
    HeaderTimeout 408 "header_timeout" "The request head did not arrive in time."
    /// The body stopped coming (RFC 9110 §15.5.9). Found by the clock outside, not by the gate.
    BodyTimeout 408 "body_timeout" "The request body stopped arriving."

    // Host
    /// HTTP/1.1 without Host (RFC 9112 §3.2).
    HostMissing 400 "host_missing" "The Host field is missing."
    /// More than one Host (RFC 9112 §3.2).
    HostRepeated 400 "host_repeated" "The Host field stands more than once."
    /// A Host that is no `name[:port]` (RFC 9110 §7.2).
    HostInvalid 400 "host_invalid" "The Host field is malformed."

    // the length of the body
    /// More than one Content-Length (RFC 9112 §6.3).
    LengthRepeated 400 "length_repeated" "Content-Length stands more than once."
    /// A Content-Length that is not 1 to 18 plain digits (RFC 9110 §8.6).
    LengthInvalid 400 "length_invalid" "Content-Length is malformed."
    /// Content-Length and Transfer-Encoding in one message (RFC 9112 §6.1).
    LengthAndCoding 400 "length_and_coding" "Content-Length and Transfer-Encoding exclude each other."
    /// More than one Transfer-Encoding line.
    CodingRepeated 400 "coding_repeated" "Transfer-Encoding stands more than once."
    /// A Transfer-Encoding whose last coding is not `chunked`, or that is malformed (RFC 9112 §6.3).
    CodingInvalid 400 "coding_invalid" "Transfer-Encoding is malformed or does not end in chunked."
    /// A transfer coding other than `chunked` (RFC 9112 §6.1).
    CodingUnknown 501 "coding_unknown" "Only the transfer coding chunked is supported."
    /// Transfer-Encoding in HTTP/1.0 (RFC 9112 §6.1).
    CodingInHttp10 400 "coding_in_http10" "HTTP/1.0 has no Transfer-Encoding."
    /// POST, PUT or PATCH of HTTP/1.0 without Content-Length (RFC 1945 §7.2.2).
    LengthMissing 400 "length_missing" "An HTTP/1.0 request with a body needs Content-Length."
    /// An Expect other than `100-continue` (RFC 9110 §10.1.1).
    Expectation 417 "expectation" "Only the expectation 100-continue is supported."

    // chunks and trailers
    /// A chunk size that is not 1 to 15 hex digits, or what follows it (RFC 9112 §7.1).
    ChunkSize 400 "chunk_size" "A chunk size is malformed."
    /// An empty chunk extension, or a control byte in one (RFC 9112 §7.1.1).
    ChunkExtension 400 "chunk_extension" "A chunk extension is malformed."
    /// More chunk extensions in a message than the limit (RFC 9112 §7.1.1).
    ChunkExtensionsTooLarge 400 "chunk_extensions_too_large" "The chunk extensions are too large."
    /// Chunk data that is not followed by CRLF (RFC 9112 §7.1).
    ChunkEnd 400 "chunk_end" "A chunk is longer or shorter than its size says."
    /// Trailers over the limit (RFC 6585 §5).
    TrailersTooLarge 431 "trailers_too_large" "The trailers are too large."

    // answers of upstreams
    /// A status line that is none (RFC 9112 §4).
    StatusLine 502 "status_line" "The upstream answered with a malformed status line."
    /// Too many 1xx answers in front of the final one (RFC 9110 §15.2).
    InterimFlood 502 "interim_flood" "The upstream sent too many interim responses."
    /// 101 although nobody asked to switch (RFC 9110 §15.2.2).
    UnaskedUpgrade 502 "unasked_upgrade" "The upstream switched protocols without being asked."
    /// A body announced by a 1xx or 204 (RFC 9110 §8.6, RFC 9112 §6.1).
    BodyForbidden 502 "body_forbidden" "The upstream announced a body where none may be."
    /// Bytes that belong to no request.
    Unsolicited 502 "unsolicited" "The upstream sent more than it was asked for."
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_fault_has_a_word_of_its_own_and_a_status_of_the_list() {
        let words: HashSet<_> = Fault::ALL.iter().map(|fault| fault.word()).collect();

        assert_eq!(words.len(), Fault::ALL.len());
        for fault in Fault::ALL {
            let snake =
                fault.word().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            assert!(snake, "{fault:?}");
            assert!(fault.detail().ends_with('.'), "{fault:?}");
            let known = [400, 405, 408, 414, 417, 431, 501, 502, 505];
            assert!(known.contains(&fault.status()), "{fault:?}");
        }
    }
}
