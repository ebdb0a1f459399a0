"""The shell: command line, studies, reports and figures. It may use everything."""
