//! What the files of real hosts look like, and what no bytes may do.

mod corpus;
mod descriptors;
mod documents;
mod drill;
mod fitting;
mod properties;
