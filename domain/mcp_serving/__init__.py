"""Models and collections as MCP servers: what MCP clients may call here, under the rules of any other call."""
