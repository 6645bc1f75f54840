"""A node behind gRPC: Fabric's services for official clients, and a batched method for our own."""
