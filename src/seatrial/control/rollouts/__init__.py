"""The stage table, analysis and automatic abort."""
