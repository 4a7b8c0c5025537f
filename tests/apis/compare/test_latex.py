from mmerf.apis.compare.latex import tex_line


def test_what_latex_reads_is_escaped():
    assert tex_line([r'a_b{c}\d~^', '±#$']) == (
        r'a\_b\{c\}\textbackslash{}d\textasciitilde{}\textasciicircum{} & '
        r'$\pm$\#\$ \\'
    )


def test_a_line_is_no_argument_of_the_line_before():
    """Two backslashes take a star and a length in brackets after them."""
    for name in ('[2mm] x', '* x'):
        assert tex_line([name, '1']) == '{}' + name + r' & 1 \\'
