//! An answer, whose body is read within the limits of its exchange.

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio_util::task::AbortOnDropHandle;

use super::error::ClientError;
use super::limits::{Deadline, Limits};

/// Status and headers; the body is still to be read. Dropping it ends the connection.
#[derive(Debug)]
pub(crate) struct Response {
    head: http::response::Parts,
    body: Incoming,
    _connection: AbortOnDropHandle<hyper::Result<()>>,
    limits: Limits,
    deadline: Deadline,
}

impl Response {
    pub(super) fn new(
        response: http::Response<Incoming>,
        connection: AbortOnDropHandle<hyper::Result<()>>,
        limits: Limits,
        deadline: Deadline,
    ) -> Self {
        let (head, body) = response.into_parts();
        Self { head, body, _connection: connection, limits, deadline }
    }

    /// The status.
    pub(crate) fn status(&self) -> StatusCode {
        self.head.status
    }

    /// The headers.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The whole answer, its body read to the end.
    pub(crate) async fn collect(self) -> Result<http::Response<Bytes>, ClientError> {
        let Limits { size, idle, .. } = self.limits;
        let body = Limited::new(self.body, size).collect();
        let read = async {
            match body.await {
                Ok(body) => Ok(body.to_bytes()),
                Err(error) if error.is::<LengthLimitError>() => Err(ClientError::TooLarge { limit: size }),
                Err(error) => Err(ClientError::of_exchange(&*error, idle)),
            }
        };
        let body = self.deadline.bound(read).await?;
        Ok(http::Response::from_parts(self.head, body))
    }

    /// The body.
    pub(crate) async fn bytes(self) -> Result<Bytes, ClientError> {
        Ok(self.collect().await?.into_body())
    }

    /// The body as it comes, within the limits of time. How long it may be is for the caller to say.
    pub(crate) fn stream(self) -> impl Stream<Item = Result<Bytes, ClientError>> + Send + use<> {
        let Self { body, _connection: connection, limits, deadline, .. } = self;
        stream::try_unfold((body.into_data_stream(), connection), move |(mut body, connection)| async move {
            let next =
                async { body.next().await.transpose().map_err(|error| ClientError::of_exchange(&error, limits.idle)) };
            Ok(deadline.bound(next).await?.map(|bytes| (bytes, (body, connection))))
        })
    }
}
