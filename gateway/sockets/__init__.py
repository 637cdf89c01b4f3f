"""The WebSockets: of agents, of chatting customers, of adapters and of supervisors."""
