"""HTTP/1.1 connections with everything about them bounded: heads, bodies, time, memory."""
