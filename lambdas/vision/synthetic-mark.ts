/**
 * XMP packet that says what the unmasked photo is, in the IPTC's words (https://cv.iptc.org/newscodes/digitalsourcetype/): a photo of
 * which a part was made by a trained model. It replaces whatever XMP the photo had, which may hold its location.
 */
export const syntheticMark = `<?xpacket begin="\uFEFF" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmp:CreatorTool="Unmask"
    Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia">
   <dc:description>
    <rdf:Alt>
     <rdf:li xml:lang="x-default">The part of a face that a mask covered is imagined by a neural network; it does not show what was there.</rdf:li>
    </rdf:Alt>
   </dc:description>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>`;
