"""What methods share: the interface, critics, guidance, and the policies that several of them train."""
